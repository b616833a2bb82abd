// The AWS SDK for JavaScript v3: what browsers' and servers' applications send today.
import assert from 'node:assert/strict';
import * as sdk from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { accessKey, bytes, check, cut, endpoint, md5, multipartEtag, partBytes, region, runChecks, sameBytes, secretKey, streamOf } from './common.mjs';

const client = new sdk.S3Client({
  endpoint: endpoint.href,
  region,
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
});
const Bucket = 'npm-aws-sdk';
const send = (name, input) => client.send(new sdk[`${name}Command`](input));
const put = (Key, Body, more = {}) => send('PutObject', { Bucket, Key, Body, ...more });
const get = (Key, more = {}) => send('GetObject', { Bucket, Key, ...more });
const read = async (Key, more = {}) => (await get(Key, more)).Body.transformToByteArray();

// The call fails with exactly this status and name.
async function refused(status, name, call) {
  await assert.rejects(call, (error) => {
    assert.deepEqual([error.$metadata?.httpStatusCode, error.name], [status, name], error.stack);
    return true;
  });
}

async function listAll(input) {
  const keys = [];
  const prefixes = [];
  for await (const page of sdk.paginateListObjectsV2({ client }, { Bucket, ...input })) {
    keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
    prefixes.push(...(page.CommonPrefixes ?? []).map((entry) => entry.Prefix));
  }
  return { keys, prefixes };
}

check('buckets', async () => {
  await send('CreateBucket', { Bucket });
  await send('HeadBucket', { Bucket });
  assert.ok((await send('ListBuckets', {})).Buckets.some((bucket) => bucket.Name === Bucket));
  await refused(404, 'NoSuchBucket', send('ListObjectsV2', { Bucket: 'npm-no-such-bucket' }));
});

check('buffers of many sizes, there and back', async () => {
  for (const length of [0, 1, 3, 4096, 70 * 1024, 262144, 262145, partBytes, partBytes + 1]) {
    const data = bytes(length);
    const answer = await put(`sizes/${length}`, data, { ContentType: 'application/dicom', Metadata: { length: String(length) } });
    assert.equal(answer.ETag, `"${md5(data)}"`);
    const got = await get(`sizes/${length}`, { ChecksumMode: 'ENABLED' });
    assert.deepEqual([got.ContentLength, got.ContentType, got.Metadata], [length, 'application/dicom', { length: String(length) }]);
    assert.equal(got.ChecksumCRC32, answer.ChecksumCRC32);
    sameBytes(await got.Body.transformToByteArray(), data, `${length} bytes`);
  }
});

check('streams, whose checksum follows in a trailer', async () => {
  for (const length of [1, 70000, 3 * 1024 * 1024 + 1, partBytes + 12345]) {
    const data = bytes(length, 1);
    await put('stream', streamOf(data), { ContentLength: length, ContentEncoding: 'gzip' });
    const head = await send('HeadObject', { Bucket, Key: 'stream', ChecksumMode: 'ENABLED' });
    assert.deepEqual([head.ContentLength, head.ContentEncoding, head.ETag], [length, 'gzip', `"${md5(data)}"`]);
    assert.match(head.ChecksumCRC32, /^[A-Za-z0-9+/]{6}==$/);
    sameBytes(await read('stream'), data, `stream of ${length}`);
  }
});

check('checksums of every kind', async () => {
  const data = bytes(100000, 2);
  for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
    for (const body of [data, streamOf(data)]) {
      await put('sum', body, { ChecksumAlgorithm: algorithm, ContentLength: data.length });
      const got = await get('sum', { ChecksumMode: 'ENABLED' });
      assert.ok(got[`Checksum${algorithm}`], algorithm);
      assert.equal(got.ChecksumType, 'FULL_OBJECT');
      sameBytes(await got.Body.transformToByteArray(), data, algorithm);
    }
  }
  await refused(400, 'BadDigest', put('wrong', data, { ChecksumCRC32: 'AAAAAA==' }));
  await refused(400, 'BadDigest', put('wrong', data, { ContentMD5: '1B2M2Y8AsgTpgAmY7PhCfg==' }));
  await refused(404, 'NoSuchKey', get('wrong'));
});

check('names', async () => {
  for (const Key of ['a b', 'é/ü', 'a+b&c=d?e#f', "x'(y)*!", '%41', 'dots/../up', '日本語']) {
    await put(Key, Key);
    sameBytes(await read(Key), Buffer.from(Key), Key);
    assert.deepEqual((await listAll({ Prefix: Key })).keys, [Key]);
    await send('DeleteObject', { Bucket, Key });
    await refused(404, 'NoSuchKey', get(Key));
  }
});

check('ranges', async () => {
  const data = bytes(300000, 3);
  await put('range', data);
  for (const [first, last] of [[0, 0], [1, 299999], [262143, 262144], [299999, 299999]]) {
    const got = await get('range', { Range: `bytes=${first}-${last}` });
    assert.equal(got.ContentRange, `bytes ${first}-${last}/300000`);
    sameBytes(await got.Body.transformToByteArray(), data.subarray(first, last + 1), `${first}-${last}`);
  }
  sameBytes(await read('range', { Range: 'bytes=-10' }), data.subarray(-10), 'suffix');
  await refused(416, 'InvalidRange', get('range', { Range: 'bytes=300000-' }));
});

check('listing', async () => {
  const keys = [];
  for (const study of ['1', '2', '3']) {
    for (const image of ['a', 'b', 'c', 'd']) keys.push(`list/${study}/${image}`);
  }
  for (const Key of keys) await put(Key, 'x');
  for (const MaxKeys of [1, 5, 12, 1000]) {
    assert.deepEqual(await listAll({ Prefix: 'list/', MaxKeys }), { keys, prefixes: [] });
  }
  assert.deepEqual(await listAll({ Prefix: 'list/', Delimiter: '/', MaxKeys: 2 }), { keys: [], prefixes: ['list/1/', 'list/2/', 'list/3/'] });
  assert.deepEqual((await listAll({ Prefix: 'list/', StartAfter: 'list/2/c' })).keys, keys.slice(7));
  const first = await send('ListObjects', { Bucket, Prefix: 'list/', MaxKeys: 2 });
  assert.deepEqual([first.IsTruncated, first.Contents.map((entry) => entry.Size)], [true, [1, 1]]);
});

check('copies', async () => {
  const data = bytes(partBytes, 4);
  await put('copy/from here', data, { ContentType: 'image/x', Metadata: { a: '1' } });
  const CopySource = `${Bucket}/copy/from%20here`;
  const copied = await send('CopyObject', { Bucket, Key: 'copy/to', CopySource });
  assert.equal(copied.CopyObjectResult.ETag, `"${md5(data)}"`);
  const got = await get('copy/to');
  assert.deepEqual([got.ContentType, got.Metadata], ['image/x', { a: '1' }]);
  sameBytes(await got.Body.transformToByteArray(), data, 'copy');
  await send('CopyObject', { Bucket, Key: 'copy/to', CopySource, MetadataDirective: 'REPLACE', Metadata: { b: '2' } });
  assert.deepEqual((await send('HeadObject', { Bucket, Key: 'copy/to' })).Metadata, { b: '2' });
  await refused(404, 'NoSuchKey', send('CopyObject', { Bucket, Key: 'x', CopySource: `${Bucket}/nothing` }));
});

check('conditions', async () => {
  const { ETag } = await put('condition', 'one');
  await refused(412, 'PreconditionFailed', put('condition', 'two', { IfNoneMatch: '*' }));
  await refused(412, 'PreconditionFailed', put('condition', 'two', { IfMatch: '"00000000000000000000000000000000"' }));
  sameBytes(await read('condition'), Buffer.from('one'), 'nothing was written');
  await put('condition', 'two', { IfMatch: ETag });
  await refused(412, 'PreconditionFailed', put('condition', 'three', { IfMatch: ETag }));
  await refused(404, 'NoSuchKey', put('condition/none', 'x', { IfMatch: ETag }));
  await put('condition/new', 'x', { IfNoneMatch: '*' });
  await refused(412, 'PreconditionFailed', get('condition', { IfMatch: ETag }));
  const now = (await send('HeadObject', { Bucket, Key: 'condition' })).ETag;
  await assert.rejects(get('condition', { IfNoneMatch: now }), (error) => error.$metadata.httpStatusCode === 304);
  sameBytes(await read('condition', { IfMatch: now }), Buffer.from('two'), 'what matches');
});

check('multipart by hand', async () => {
  const data = bytes(2 * partBytes + 1000, 5);
  const parts = cut(data, partBytes);
  const Key = 'multipart/hand';
  const { UploadId } = await send('CreateMultipartUpload', { Bucket, Key, ContentType: 'application/dicom' });
  const upload = { Bucket, Key, UploadId };
  const listed = [];
  for (const [index, part] of parts.entries()) {
    const Body = index === 1 ? streamOf(part) : part;
    const { ETag } = await send('UploadPart', { ...upload, PartNumber: index + 1, Body, ContentLength: part.length });
    assert.equal(ETag, `"${md5(part)}"`);
    listed.push({ ETag, PartNumber: index + 1 });
  }
  const there = await send('ListParts', upload);
  assert.deepEqual(there.Parts.map((part) => [part.PartNumber, part.Size, part.ETag]), parts.map((part, i) => [i + 1, part.length, listed[i].ETag]));
  assert.ok((await send('ListMultipartUploads', { Bucket })).Uploads.some((entry) => entry.UploadId === UploadId));
  await refused(404, 'NoSuchKey', get(Key));
  await refused(400, 'InvalidPart', send('CompleteMultipartUpload', { ...upload, MultipartUpload: { Parts: [{ ETag: '"0"', PartNumber: 1 }] } }));
  const done = await send('CompleteMultipartUpload', { ...upload, MultipartUpload: { Parts: listed } });
  assert.equal(done.ETag, `"${multipartEtag(parts)}"`);
  const got = await get(Key, { ChecksumMode: 'ENABLED' });
  assert.deepEqual([got.ContentLength, got.ContentType], [data.length, 'application/dicom']);
  sameBytes(await got.Body.transformToByteArray(), data, 'multipart');
  sameBytes(await read(Key, { Range: `bytes=${partBytes - 1}-${partBytes}` }), data.subarray(partBytes - 1, partBytes + 1), 'across parts');
});

check('multipart of copies, and aborted', async () => {
  const data = bytes(partBytes + 77, 6);
  await put('multipart/source', data);
  const Key = 'multipart/copied';
  const { UploadId } = await send('CreateMultipartUpload', { Bucket, Key });
  const upload = { Bucket, Key, UploadId };
  const ranges = [`bytes=0-${partBytes - 1}`, `bytes=${partBytes}-${partBytes + 76}`];
  const Parts = [];
  for (const [index, CopySourceRange] of ranges.entries()) {
    const answer = await send('UploadPartCopy', { ...upload, PartNumber: index + 1, CopySource: `${Bucket}/multipart/source`, CopySourceRange });
    Parts.push({ ETag: answer.CopyPartResult.ETag, PartNumber: index + 1 });
  }
  await send('CompleteMultipartUpload', { ...upload, MultipartUpload: { Parts } });
  sameBytes(await read(Key), data, 'copied parts');

  const second = await send('CreateMultipartUpload', { Bucket, Key: 'multipart/aborted' });
  const aborted = { Bucket, Key: 'multipart/aborted', UploadId: second.UploadId };
  await send('UploadPart', { ...aborted, PartNumber: 1, Body: 'x' });
  await send('AbortMultipartUpload', aborted);
  await refused(404, 'NoSuchUpload', send('ListParts', aborted));
});

check('lib-storage', async () => {
  for (const [length, ChecksumAlgorithm] of [[10, undefined], [partBytes, 'CRC32'], [3 * partBytes - 1, 'CRC32C'], [2 * partBytes + 99, 'SHA256'], [2 * partBytes + 1, 'CRC64NVME']]) {
    const data = bytes(length, 7);
    for (const Body of [data, streamOf(data)]) {
      const Key = `lib-storage/${length}`;
      let seen = 0;
      const upload = new Upload({ client, params: { Bucket, Key, Body, ChecksumAlgorithm, Metadata: { by: 'lib' } }, partSize: partBytes, queueSize: 3 });
      upload.on('httpUploadProgress', (progress) => { seen = Math.max(seen, progress.loaded); });
      const done = await upload.done();
      assert.equal(seen, length);
      // a stream that fits in one part is sent as one object
      if (length > partBytes) assert.equal(done.ETag, `"${multipartEtag(cut(data, partBytes))}"`);
      const got = await get(Key, { ChecksumMode: 'ENABLED' });
      assert.deepEqual(got.Metadata, { by: 'lib' });
      sameBytes(await got.Body.transformToByteArray(), data, `${length} bytes by lib-storage`);
    }
  }
  const upload = new Upload({ client, params: { Bucket, Key: 'lib-storage/aborted', Body: bytes(4 * partBytes) }, partSize: partBytes, queueSize: 1 });
  upload.on('httpUploadProgress', () => upload.abort());
  await assert.rejects(upload.done(), { name: 'AbortError' });
  await refused(404, 'NoSuchKey', get('lib-storage/aborted'));
});

check('presigned', async () => {
  const data = bytes(70000, 8);
  const url = (name, input) => getSignedUrl(client, new sdk[`${name}Command`]({ Bucket, ...input }), { expiresIn: 60 });
  // the link carries the CRC of no body, signed: browsers send theirs without knowing
  const where = await url('PutObject', { Key: 'presigned/é' });
  assert.match(where, /x-amz-checksum-crc32=AAAAAA/);
  assert.equal((await fetch(where, { method: 'PUT', body: data })).status, 200);
  const got = await fetch(await url('GetObject', { Key: 'presigned/é', ResponseContentType: 'text/x' }));
  assert.deepEqual([got.status, got.headers.get('content-type')], [200, 'text/x']);
  sameBytes(Buffer.from(await got.arrayBuffer()), data, 'presigned');
  assert.equal((await fetch(await url('GetObject', { Key: 'presigned/é' }), { method: 'DELETE' })).status, 403);
  assert.equal((await fetch((await url('GetObject', { Key: 'presigned/é' })).replace('presigned', 'range'))).status, 403);
  assert.equal((await fetch(await url('HeadObject', { Key: 'presigned/é' }), { method: 'HEAD' })).headers.get('content-length'), '70000');
});

check('deletes, and the end of the bucket', async () => {
  await refused(409, 'BucketNotEmpty', send('DeleteBucket', { Bucket }));
  const { keys } = await listAll({});
  const gone = await send('DeleteObjects', { Bucket, Delete: { Objects: keys.slice(1).map((Key) => ({ Key })).concat({ Key: 'never there' }) } });
  assert.deepEqual([gone.Deleted.length, gone.Errors], [keys.length, undefined]);
  assert.deepEqual((await listAll({})).keys, keys.slice(0, 1));
  await send('DeleteObjects', { Bucket, Delete: { Objects: [{ Key: keys[0] }], Quiet: true } });
  assert.deepEqual((await listAll({})).keys, []);
  assert.equal((await send('ListMultipartUploads', { Bucket })).Uploads, undefined);
  await send('DeleteBucket', { Bucket });
  await assert.rejects(send('HeadBucket', { Bucket }), (error) => error.$metadata.httpStatusCode === 404);
});

await runChecks('aws sdk v3');
