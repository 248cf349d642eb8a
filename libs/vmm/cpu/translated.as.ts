/**
 * Where translated code joins the run loop. The inner loop asks `hasTranslated` at every jump or branch that goes back or
 * to another page, so once in each round of a loop of guest code, and leaves if it is true; so it must call nothing. Then,
 * and whenever else the inner loop has left, `run` calls `enter`.
 */

/** Whether `run` should look at `pc`: there is translated code, or the address has become worth translating. */
@inline
export function hasTranslated(pc: u64): bool {
  return false;
}

/**
 * Runs the translated code for H_PC, if there is some, with a budget of `left` instructions. Returns how many of them are
 * left; H_PC is where to go on. Code that stops at an instruction that it cannot execute leaves it to the run loop.
 */
@inline
export function enter(left: i32): i32 {
  return left;
}
