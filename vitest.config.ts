// Tests stand beside what they test; tests/ holds those that cross rooms.
import { readdirSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const rooms = [...readdirSync('packages').map((name) => `packages/${name}`), 'functions', 'tests', 'scripts', 'bench'];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: rooms.map((room) => ({
      extends: true,
      test: { name: room, include: [`${room}/**/*.test.ts`], exclude: ['**/node_modules/**', '**/dist/**'] },
    })),
  },
});
