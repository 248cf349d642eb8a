/**
 * Where translated code joins the run loop. The loop comes by here whenever it enters a page and at every jump or branch
 * that goes back or leaves its page; so a loop of guest code does once in each round.
 */

/**
 * Runs the translated code for `pc`, if there is some, with a budget of `left` instructions. Returns how many of them
 * are left. If it is another number, something was executed: H_PC tells where the run loop goes on.
 */
@inline
export function enter(pc: u64, left: i32): i32 {
  return left;
}
