// A reply, a stream, parsed JSON and an error of openai-node, as JSON on stdout.
import OpenAI from "openai";

const [url, jsonUrl, model, question] = process.argv.slice(2);
const messages = [{ role: "user", content: question }];
const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
const jsonClient = new OpenAI({ baseURL: jsonUrl, apiKey: "none", maxRetries: 0 });

const reply = await client.chat.completions.create({ model, messages });
const blocks = [];
const add = (kind, text) => {
  if (!text) return;
  if (blocks.at(-1)?.kind === kind) blocks.at(-1).text += text;
  else blocks.push({ kind, text });
};
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  add("reasoning", chunk.choices[0]?.delta.reasoning_content);
  add("text", chunk.choices[0]?.delta.content);
}
const schema = {
  type: "object",
  properties: { terms: { type: "array", items: { type: "integer" } }, total: { type: "integer" } },
  required: ["terms", "total"],
};
const parsed = await jsonClient.chat.completions.parse({
  model,
  messages,
  response_format: { type: "json_schema", json_schema: { name: "Sum", schema } },
});
const error = await client.chat.completions
  .create({ model: `${model}e`, messages })
  .catch((raised) => ({ kind: raised.constructor.name, message: raised.message }));
console.log(
  JSON.stringify({
    text: reply.choices[0].message.content,
    blocks,
    json: JSON.parse(parsed.choices[0].message.content),
    error,
  }),
);
