// Two turns of a conversation, from CommonJS; the second reuses what the first computed.
const { generate, load } = require('wick')

async function main() {
  const ember = await load()
  const messages = [{ role: 'user', content: 'Hello!' }]
  const first = await generate({ model: ember, messages, temperature: 0 }).collect()
  console.log(first.text)

  messages.push({ role: 'assistant', content: first.text }, { role: 'user', content: 'Tell me about a fox.' })
  const second = await generate({ model: ember, messages, temperature: 0 }).collect()
  console.log(second.text)
  console.log(`${second.usage.cachedTokens} of ${second.usage.promptTokens} prompt tokens were computed before`)
  await ember.close()
}

main()
