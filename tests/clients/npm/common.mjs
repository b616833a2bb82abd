// What the scripts of this folder share: where the server is, data, and checks with names that are printed as they pass.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

export const endpoint = new URL(process.env.DOLMEN_ENDPOINT);
export const accessKey = process.env.DOLMEN_ACCESS_KEY;
export const secretKey = process.env.DOLMEN_SECRET_KEY;
export const region = 'us-east-1';
export const partBytes = 5 * 1024 * 1024;

// Incompressible and the same on every run: blocks of SHA-512 of a counter.
export function bytes(length, seed = 0) {
  const out = Buffer.alloc(length);
  for (let at = 0, n = 0; at < length; n++) {
    at += createHash('sha512').update(`${seed} ${n}`).digest().copy(out, at);
  }
  return out;
}

export const md5 = (data) => createHash('md5').update(data).digest('hex');

// The ETag that S3 gives to a multipart upload of these parts.
export function multipartEtag(parts) {
  const digests = parts.map((part) => createHash('md5').update(part).digest());
  return `${md5(Buffer.concat(digests))}-${parts.length}`;
}

export function cut(data, size) {
  const parts = [];
  for (let at = 0; at < data.length; at += size) parts.push(data.subarray(at, at + size));
  return parts;
}

// A stream whose pieces have odd sizes: from one byte to more than a TCP segment.
export function streamOf(data) {
  const sizes = [1, 7, 8192, 65537, 3, 100001];
  function* pieces() {
    for (let at = 0, n = 0; at < data.length; n++) {
      const size = sizes[n % sizes.length];
      yield data.subarray(at, at + size);
      at += size;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}

export function sameBytes(got, wanted, what) {
  assert.equal(got.length, wanted.length, `${what}: length`);
  assert.ok(Buffer.compare(Buffer.from(got), wanted) === 0, `${what}: other bytes came back`);
}

export async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

const checks = [];
export function check(name, run) {
  checks.push([name, run]);
}

// In order, each alone; the first failure ends the run with exit status 1.
export async function runChecks(title) {
  for (const [name, run] of checks) {
    try {
      await run();
    } catch (error) {
      console.error(`${title}: ${name}: FAILED`);
      console.error(error);
      process.exit(1);
    }
    console.log(`${title}: ${name}`);
  }
}
