// A first draft of one's own: it has read a text, and guesses what most often followed there. Give it a text that is like
// what the model will write:
//
//   const model = await loadModel('stories')
//   const draft = followUps(model.tokenizer.encode(await readFile('stories.txt', 'utf8')))
//   const { text, stats } = await generate(model, 'Once upon a time', { draft }).result
//
// Then make it worse: let it guess at random. The text stays the same, since the model verifies every token; only `stats`
// and the time change.

import type { GuessSession, SingleDraft } from 'drafthorse/decode'

interface FollowUp {
  readonly token: number
  /** Of all that followed, how much was this token, 0 to 1. */
  readonly share: number
}

/** Drafts, of what followed the last two tokens in `text`, a list of token ids, the most frequent, again and again. */
export function followUps(text: readonly number[]): SingleDraft {
  const table = learn(text)
  return {
    name: 'follow-ups',

    // Called once for each generation. This draft remembers nothing of what it sees there; one that does keeps it here.
    start(): GuessSession {
      return {
        // Called before every round. A guess costs next to nothing, so `guess` returns tokens at once; a draft that has to
        // run the model has a method `propose` in its place.
        guess(history, limit) {
          const guessed: FollowUp[] = []
          let [before, last] = history.slice(-2)
          while (guessed.length < limit) {
            const next = table.get(`${before} ${last}`)
            if (!next) break
            guessed.push(next)
            before = last
            last = next.token
          }
          // The kind lets the draft length be learnt apart for guesses that hold often and for those that seldom do.
          const kind = guessed[0] && (guessed[0].share > 0.5 ? 'likely' : 'unlikely')
          return { tokens: guessed.map(({ token }) => token), kind }
        },
      }
    },
  }
}

/** What most often follows each pair of tokens. */
function learn(text: readonly number[]): ReadonlyMap<string, FollowUp> {
  const counts = new Map<string, Map<number, number>>()
  for (let i = 2; i < text.length; i++) {
    const pair = `${text[i - 2]} ${text[i - 1]}`
    const followers = counts.get(pair) ?? new Map<number, number>()
    followers.set(text[i]!, (followers.get(text[i]!) ?? 0) + 1)
    counts.set(pair, followers)
  }
  return new Map([...counts].map(([pair, followers]) => [pair, mostFrequent(followers)]))
}

function mostFrequent(followers: ReadonlyMap<number, number>): FollowUp {
  let [token, most, all] = [0, 0, 0]
  for (const [follower, count] of followers) {
    all += count
    if (count > most) [token, most] = [follower, count]
  }
  return { token, share: most / all }
}
