// What every life comes to when nobody else is there: a process of its own, one request at a time, nothing cached, nothing drafted.
//   node quiet.mjs     one message in: how to load and which lives; one out: the outcomes of each life's turns
import { ask, begin, wick } from './ask.mjs'
import { lives } from './lives.mjs'

process.once('message', async ({ model: reference, load, seed, of }) => {
  const model = await wick.load(reference, load)
  const outcomes = []
  for (const life of lives(seed, of)) {
    const subject = begin(model, life)
    const turns = []
    for (const turn of life.turns) {
      const { thrown: _, ...outcome } = await ask(subject, turn)
      turns.push(outcome)
    }
    outcomes.push(turns)
  }
  await model.close()
  process.send(outcomes, () => process.disconnect())
})
