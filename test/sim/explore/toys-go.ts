/**
 * Takes the toys of each test file of `model` and `scenarios` away: the next file runs in the same
 * process.
 */
import { afterAll } from 'vitest';
import { takeToysAway } from './toy.ts';

afterAll(takeToysAway);
