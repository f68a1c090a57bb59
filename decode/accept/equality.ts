// Acceptance by equality: a drafted token stands if it is the one that the model itself chooses.

/**
 * How many of the `drafted` tokens to accept: as long as each equals what the model chose at its place. `chosen` has one
 * more, the model's own next token.
 */
export function acceptEqual(drafted: ArrayLike<number>, chosen: ArrayLike<number>): number {
  let accepted = 0
  while (accepted < drafted.length && drafted[accepted] === chosen[accepted]) accepted++
  return accepted
}
