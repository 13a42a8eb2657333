// What ember is asked, and what is right: one row a skill, its cases from held-out.json, which training never sees.
import { readFileSync } from 'node:fs'

const held = JSON.parse(readFileSync(new URL('held-out.json', import.meta.url), 'utf8'))
/** Words that all stories exceed; what is shorter was a greeting or an excuse. */
const STORY_WORDS = 40
const GREETINGS = /^(Hello|Hi\b|Good|I am well|I am glowing|Very well)/
const EXCUSES = /beyond me|too hard for me|I do not know that/

/** @typedef {{ text: string, ended: boolean }} Answer what was said, and whether it ended by itself */
/** @typedef {{ prompt: string, right: (answer: Answer) => boolean }} Case */

/** `wordings` in turn, each with its `{}` filled. */
const worded = (wordings, fillings) => fillings.map((filling, n) => wordings[n % wordings.length].replace('{}', filling))

/** The same word four times running: a model that goes round. */
const loops = (text) => /\b(\w+)(\W+\1\b){3}/i.test(text) || /(\w{1,3})\1{4}/i.test(text)

/** A story of `subject`: names it, is long enough, does not go round, ends. */
export const isStory = (subject) => ({ text, ended }) =>
  ended && text.toLowerCase().includes(subject.toLowerCase()) && text.split(' ').length > STORY_WORDS && !loops(text)

/** The last figure of the answer is the result, and the question's own figures come before. */
export function isSum(sum) {
  const [a, sign, b] = sum.split(' ')
  const result = { '+': Number(a) + Number(b), '-': Number(a) - Number(b), '*': Number(a) * Number(b) }[sign]
  return ({ text, ended }) => ended && text.startsWith(`${sum} =`) && text.trim().endsWith(`= ${result}.`)
}

const stories = (wordings, subjects) => worded(wordings, subjects).map((prompt, n) => ({ prompt, right: isStory(subjects[n]) }))
const sums = (sign) => {
  const chosen = held.sums.filter((sum) => sum.includes(` ${sign} `))
  return worded(held.sumWordings, chosen).map((prompt, n) => ({ prompt, right: isSum(chosen[n]) }))
}

/** Every skill with its cases. @type {readonly { skill: string, cases: readonly Case[] }[]} */
export const skills = [
  { skill: 'story of a thing it never read of', cases: stories(held.storyWordings, held.subjects) },
  { skill: 'story of a word that nobody has', cases: stories(held.storyWordings, held.invented) },
  { skill: 'story of somebody with a new name', cases: stories(['Tell me about {}.', 'Tell me a story about {}.'], held.names) },
  { skill: 'greeting', cases: held.greetings.map((prompt) => ({ prompt, right: ({ text, ended }) => ended && GREETINGS.test(text) })) },
  {
    skill: 'greeting somebody by name',
    cases: worded(held.nameWordings, held.names).map((prompt, n) => ({ prompt, right: ({ text, ended }) => ended && GREETINGS.test(text) && text.includes(held.names[n]) })),
  },
  { skill: 'question about wick', cases: held.facts.map(({ question, key }) => ({ prompt: question, right: ({ text, ended }) => ended && text.includes(key) })) },
  { skill: 'addition', cases: sums('+') },
  { skill: 'subtraction', cases: sums('-') },
  { skill: 'multiplication', cases: sums('*') },
  { skill: 'saying that it cannot', cases: held.beyond.map((prompt) => ({ prompt, right: ({ text, ended }) => ended && EXCUSES.test(text) })) },
]
