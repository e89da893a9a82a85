// A reply, a stream, an object and an error of the AI SDK, as JSON on stdout.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, streamText } from "ai";
import { z } from "zod";

const [url, jsonUrl, model, question] = process.argv.slice(2);
const provider = (baseURL) =>
  createOpenAICompatible({ name: "a2r", baseURL, supportsStructuredOutputs: true });
const asked = { model: provider(url)(model), prompt: question, maxRetries: 0 };

const { text } = await generateText(asked);
const blocks = [];
for await (const part of streamText(asked).fullStream) {
  const [kind, phase] = part.type.split("-");
  if (phase === "start" && ["reasoning", "text"].includes(kind)) blocks.push({ kind, text: "" });
  if (phase === "delta" && ["reasoning", "text"].includes(kind)) blocks.at(-1).text += part.text;
}
const schema = z.object({ terms: z.array(z.number()), total: z.number() });
const { object } = await generateObject({ ...asked, model: provider(jsonUrl)(model), schema });
const error = await generateText({ ...asked, model: provider(url)(`${model}e`) }).catch(
  (raised) => ({ kind: raised.name, message: raised.message }),
);
console.log(JSON.stringify({ text, blocks, json: object, error }));
