/* Work in double precision: most of it multiplies, adds and fuses both; some divides and square roots. */
#include "speed.h"

enum { BODIES = 8, SIDE = 24, STEPS = 32 };

struct body { double x, y, z, vx, vy, vz, mass; };

static double square_root(double value) {
  double root;
  __asm__("fsqrt.d %0, %1" : "=f"(root) : "f"(value));
  return root;
}

static void step(struct body *bodies, double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = 0; j < BODIES; j++) {
      if (i == j) continue;
      double dx = bodies[j].x - bodies[i].x, dy = bodies[j].y - bodies[i].y, dz = bodies[j].z - bodies[i].z;
      double squared = dx * dx + dy * dy + dz * dz + 0.01;
      double force = bodies[j].mass / (squared * square_root(squared)) * dt;
      bodies[i].vx += dx * force;
      bodies[i].vy += dy * force;
      bodies[i].vz += dz * force;
    }
  for (int i = 0; i < BODIES; i++) {
    bodies[i].x += bodies[i].vx * dt;
    bodies[i].y += bodies[i].vy * dt;
    bodies[i].z += bodies[i].vz * dt;
  }
}

u64 run_float(u64 rounds, u8 *arena) {
  struct body *bodies = (struct body *)arena;
  double *a = (double *)(arena + 0x1000), *b = a + SIDE * SIDE, *c = b + SIDE * SIDE;
  u64 random = 1;
  for (int i = 0; i < BODIES; i++) {
    double *fields = (double *)&bodies[i];
    for (int field = 0; field < 7; field++) fields[field] = (double)(next_random(&random) >> 40) / (1 << 24) + 0.5;
  }
  /* The columns of b add up to about 1, so that the products neither overflow nor vanish. */
  for (int i = 0; i < SIDE * SIDE; i++) a[i] = (double)(i % 7) / 7, b[i] = (double)(i % 5) / 48;
  for (u64 round = 0; round < rounds; round++) {
    for (int i = 0; i < STEPS; i++) step(bodies, 1.0 / 1024);
    for (int i = 0; i < SIDE; i++)
      for (int j = 0; j < SIDE; j++) {
        double sum = 0;
        for (int k = 0; k < SIDE; k++) sum += a[i * SIDE + k] * b[k * SIDE + j];
        c[i * SIDE + j] = sum;
      }
    double *old = a;
    a = c;
    c = old;
  }
  union { double value; u64 bits; } result = {.value = bodies[0].x + bodies[BODIES - 1].vz + a[SIDE]};
  return result.bits;
}
