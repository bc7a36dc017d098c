/**
 * The scenario rmp-lock packed by hand into bytes, with no engine below it:
 * `node rmpjs.mjs VCPUS TIMES` prints each search as JSON.
 */
// @ts-nocheck: bytes in, bytes out; a cast at each of them would hide what it does.
const N = +process.argv[2] || 4;
const TIMES = +process.argv[3] || 1;
const R = 3;
// Of each process: state, rounds, version read, page; then two locks and two versions.
const W = 4 * N + 4;

const CAP = 1 << 22;
const MASK = CAP - 1;
let h1;
let h2;
let A_ = 0;
let B_ = 0;

function succ(st, out) {
  let n = 0;
  for (let i = 0; i < N; i++) {
    const b = 4 * i;
    const s = st[b];
    if (s === 0) {
      if (st[b + 1] < R) {
        for (let g = 0; g < 2; g++)
          if (!st[4 * N + g]) {
            const x = out[n++];
            x.set(st);
            x[b] = 1;
            x[b + 3] = g + 1;
            x[4 * N + g] = 1;
          }
      } else {
        const x = out[n++];
        x.set(st);
        x[b] = 4;
      }
    } else if (s === 1) {
      const x = out[n++];
      x.set(st);
      x[b] = 2;
      x[b + 2] = st[4 * N + 2 + st[b + 3] - 1];
    } else if (s === 2) {
      const x = out[n++];
      x.set(st);
      x[b] = 3;
      x[4 * N + 2 + st[b + 3] - 1] = st[b + 2] + 1;
      x[b + 2] = 0;
    } else if (s === 3) {
      const x = out[n++];
      x.set(st);
      x[b] = 0;
      x[b + 1]++;
      x[4 * N + st[b + 3] - 1] = 0;
      x[b + 3] = 0;
    }
  }
  return n;
}

function excl(st) {
  for (let i = 0; i < N; i++) for (let j = i + 1; j < N; j++) if (st[4 * i + 3] && st[4 * i + 3] === st[4 * j + 3]) return false;
  return true;
}

function hash(st) {
  let a = 0x9e3779b9 | 0;
  let b = 0x85ebca6b | 0;
  for (let i = 0; i < W; i++) {
    a = Math.imul(a ^ st[i], 0xcc9e2d51);
    a ^= a >>> 15;
    b = Math.imul(b + st[i], 0x1b873593);
    b ^= b >>> 13;
  }
  A_ = a | 1;
  B_ = b;
}

function add(st) {
  hash(st);
  let i = (A_ ^ (B_ * 31)) & MASK;
  while (h1[i] !== 0) {
    if (h1[i] === A_ && h2[i] === B_) return false;
    i = (i + 1) & MASK;
  }
  h1[i] = A_;
  h2[i] = B_;
  return true;
}

function search() {
  h1 = new Int32Array(CAP);
  h2 = new Int32Array(CAP);
  const out = [];
  for (let i = 0; i < 2 * N + 2; i++) out.push(new Uint8Array(W));
  const first = new Uint8Array(W);
  add(first);
  const stack = [first];
  let transitions = 0;
  let states = 1;
  while (stack.length) {
    const n = succ(stack.pop(), out);
    transitions += n;
    for (let k = 0; k < n; k++) {
      const x = out[k];
      if (!add(x)) continue;
      states++;
      if (!excl(x)) throw new Error('two vCPUs hold one page');
      stack.push(x.slice());
    }
  }
  return { states, transitions };
}

const laps = [];
let counts = null;
for (let time = 0; time < TIMES; time++) {
  const cpu = process.cpuUsage();
  const wall = performance.now();
  counts = search();
  const { user, system } = process.cpuUsage(cpu);
  laps.push({ wall: (performance.now() - wall) / 1e3, cpu: (user + system) / 1e6 });
}
console.log(JSON.stringify({ ...counts, laps }));
