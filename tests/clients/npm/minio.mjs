// minio's client for JavaScript: Content-MD5, UNSIGNED-PAYLOAD over https, multipart by its own rules.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as minio from 'minio';
import { accessKey, bytes, check, collect, endpoint, md5, partBytes, region, runChecks, sameBytes, secretKey, streamOf } from './common.mjs';

const client = new minio.Client({
  endPoint: endpoint.hostname,
  port: Number(endpoint.port),
  useSSL: endpoint.protocol === 'https:',
  accessKey,
  secretKey,
  region,
  partSize: partBytes,
});
const bucket = 'npm-minio';
const read = async (key) => collect(await client.getObject(bucket, key));

async function refused(code, call) {
  await assert.rejects(call, (error) => {
    assert.equal(error.code, code, error.stack);
    return true;
  });
}

async function listAll(prefix, recursive = true) {
  const found = [];
  for await (const entry of client.listObjectsV2(bucket, prefix, recursive)) found.push(entry);
  return found;
}

check('buckets', async () => {
  assert.equal(await client.bucketExists(bucket), false);
  await client.makeBucket(bucket, region);
  assert.equal(await client.bucketExists(bucket), true);
  assert.ok((await client.listBuckets()).some((entry) => entry.name === bucket));
});

check('objects of many sizes, there and back', async () => {
  for (const length of [0, 1, 4096, 70 * 1024, 262145, partBytes - 1, partBytes]) {
    const data = bytes(length, 10);
    const { etag } = await client.putObject(bucket, `sizes/${length}`, data, length, { 'Content-Type': 'application/dicom', 'X-Amz-Meta-Length': length });
    assert.equal(etag, md5(data));
    const stat = await client.statObject(bucket, `sizes/${length}`);
    assert.deepEqual([stat.size, stat.etag, stat.metaData['content-type'], stat.metaData.length], [length, md5(data), 'application/dicom', String(length)]);
    sameBytes(await read(`sizes/${length}`), data, `${length} bytes`);
  }
});

check('streams and multipart', async () => {
  for (const length of [100, partBytes + 1, 3 * partBytes, 2 * partBytes + 4321]) {
    const data = bytes(length, 11);
    for (const size of [length, undefined]) {
      await client.putObject(bucket, 'stream', streamOf(data), size);
      const stat = await client.statObject(bucket, 'stream');
      assert.equal(stat.size, length);
      // where it cuts is its own affair: its first part has number 2, and may be larger than partSize
      if (length > partBytes) assert.match(stat.etag, /^[0-9a-f]{32}-[1-9]\d*$/);
      sameBytes(await read('stream'), data, `stream of ${length}`);
    }
  }
});

check('files', async () => {
  const folder = await mkdtemp(join(process.cwd(), 'files-'));
  const data = bytes(2 * partBytes + 5, 12);
  await writeFile(join(folder, 'sent'), data);
  await client.fPutObject(bucket, 'file', join(folder, 'sent'), { 'Content-Type': 'image/x' });
  await client.fGetObject(bucket, 'file', join(folder, 'got'));
  sameBytes(await readFile(join(folder, 'got')), data, 'file');
  await rm(folder, { recursive: true });
});

check('ranges', async () => {
  const data = bytes(300000, 13);
  await client.putObject(bucket, 'range', data);
  for (const [offset, length] of [[0, 1], [262143, 2], [299990, 10]]) {
    sameBytes(await collect(await client.getPartialObject(bucket, 'range', offset, length)), data.subarray(offset, offset + length), `${offset}+${length}`);
  }
  await refused('InvalidRange', client.getPartialObject(bucket, 'range', 300000, 1));
});

check('names and listing', async () => {
  const keys = ['list/a b', 'list/é', 'list/x/1', 'list/x/2', 'list/~'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const key of keys) await client.putObject(bucket, key, key);
  assert.deepEqual((await listAll('list/')).map((entry) => entry.name), keys);
  const flat = await listAll('list/', false);
  assert.deepEqual(flat.filter((entry) => entry.prefix).map((entry) => entry.prefix), ['list/x/']);
  assert.equal(flat.filter((entry) => entry.name).length, keys.length - 2);
  for (const key of keys) sameBytes(await read(key), Buffer.from(key), key);
});

check('copies', async () => {
  const data = bytes(100000, 14);
  const { etag } = await client.putObject(bucket, 'copy from', data);
  await client.copyObject(bucket, 'copy to', `/${bucket}/copy from`);
  sameBytes(await read('copy to'), data, 'copy');
  const conditions = new minio.CopyConditions();
  conditions.setMatchETagExcept(etag);
  await refused('PreconditionFailed', client.copyObject(bucket, 'copy to', `/${bucket}/copy from`, conditions));
});

check('unfinished uploads', async () => {
  const uploadId = await client.initiateNewMultipartUpload(bucket, 'unfinished', {});
  const listed = [];
  for await (const entry of client.listIncompleteUploads(bucket, '', true)) listed.push([entry.key, entry.uploadId]);
  assert.deepEqual(listed, [['unfinished', uploadId]]);
  await client.removeIncompleteUpload(bucket, 'unfinished');
  for await (const entry of client.listIncompleteUploads(bucket, '', true)) assert.fail(`still there: ${entry.key}`);
});

check('presigned', async () => {
  const data = bytes(5000, 15);
  assert.equal((await fetch(await client.presignedPutObject(bucket, 'presigned', 60), { method: 'PUT', body: data })).status, 200);
  const got = await fetch(await client.presignedGetObject(bucket, 'presigned', 60, { 'response-content-type': 'text/x' }));
  assert.deepEqual([got.status, got.headers.get('content-type')], [200, 'text/x']);
  sameBytes(Buffer.from(await got.arrayBuffer()), data, 'presigned');
});

check('errors', async () => {
  await refused('NoSuchKey', client.getObject(bucket, 'nothing'));
  await refused('NotFound', client.statObject(bucket, 'nothing'));
  await refused('NoSuchBucket', client.putObject('npm-no-such-bucket', 'x', 'x'));
});

check('deletes, and the end of the bucket', async () => {
  await client.removeObject(bucket, 'range');
  await refused('NoSuchKey', client.getObject(bucket, 'range'));
  await client.removeObjects(bucket, (await listAll('')).map((entry) => entry.name));
  assert.deepEqual(await listAll(''), []);
  await client.removeBucket(bucket);
  assert.equal(await client.bucketExists(bucket), false);
});

await runChecks('minio');
