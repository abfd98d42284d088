// A vitest reporter that prints how long the tests of each room took.
import type { Reporter, TestModule } from 'vitest/node';

export default class RoomTimes implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const rooms = new Map<string, { seconds: number; tests: number; skipped: number }>();
    for (const module of modules) {
      const room = rooms.get(module.project.name) ?? { seconds: 0, tests: 0, skipped: 0 };
      const { collectDuration, setupDuration, duration } = module.diagnostic();
      room.seconds += (collectDuration + setupDuration + duration) / 1000;
      for (const test of module.children.allTests()) {
        room.tests += 1;
        if (test.result().state === 'skipped') room.skipped += 1;
      }
      rooms.set(module.project.name, room);
    }
    console.log('\nTime per room (CPU of test files, two run side by side)');
    for (const [name, { seconds, tests, skipped }] of [...rooms].sort())
      console.log(
        `  ${name.padEnd(20)} ${seconds.toFixed(1).padStart(7)} s  ${tests} tests${skipped > 0 ? `, ${skipped} skipped` : ''}`,
      );
  }
}
