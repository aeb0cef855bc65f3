// Shows /openapi.json as a page. Texts of the document become text nodes, never markup.
"use strict";

function make(name, content, className) {
  const element = document.createElement(name);
  if (className) element.className = className;
  for (const part of [content ?? []].flat()) element.append(part);
  return element;
}

function shown(value) {
  return make("pre", make("code", JSON.stringify(value, null, 2)));
}

function schemaText(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.map(schemaText).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  const type = [schema.type ?? "any"].flat().join(" or ");
  const items = schema.items ? ` of ${schemaText(schema.items)}` : "";
  const range = ["minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "pattern", "format"]
    .filter((rule) => rule in schema)
    .map((rule) => `${rule} ${schema[rule]}`);
  return type + items + (range.length ? ` (${range.join(", ")})` : "");
}

function table(head, rows) {
  const row = (cells, name) => make("tr", cells.map((cell) => make(name, cell)));
  return make("table", [row(head, "th"), ...rows.map((cells) => row(cells, "td"))]);
}

function fields(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    make("code", name),
    schemaText(field),
    (schema.required ?? []).includes(name) ? "always" : "optional",
    field.description ?? "",
  ]);
  return table(["field", "type", "", ""], rows);
}

function body(title, media) {
  const [kind, content] = Object.entries(media)[0];
  const parts = [make("p", [make("strong", title), ` ${kind}: ${schemaText(content.schema)}`])];
  if (content.example !== undefined) parts.push(shown(content.example));
  return parts;
}

function operation(path, method, described) {
  const locked = described.security.length > 0 ? " · needs a Bearer credential" : "";
  const parts = [
    make("summary", [
      make("code", [make("span", method.toUpperCase(), "method"), path]),
      make("span", ` ${described.summary}${locked}`, "note"),
    ]),
  ];
  if (described.description) parts.push(make("p", described.description));
  if (described.parameters) {
    const rows = described.parameters.map((one) => [
      make("code", one.name), one.in, schemaText(one.schema), one.required ? "required" : "optional", one.description,
    ]);
    parts.push(table(["parameter", "in", "type", "", ""], rows));
  }
  if (described.requestBody) parts.push(...body("Body", described.requestBody.content));
  for (const [status, answer] of Object.entries(described.responses)) {
    parts.push(make("p", [make("strong", status), ` ${answer.description}`]));
    if (answer.content) parts.push(...body("Answer", answer.content));
  }
  const element = make("details", parts);
  element.id = described.operationId;
  return element;
}

async function show() {
  const answer = await fetch("/openapi.json");
  const api = await answer.json();
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("about").replaceChildren(
    api.info.description + " ",
    Object.assign(make("a", "/openapi.json"), { href: "/openapi.json" }),
  );
  const routes = document.getElementById("routes");
  for (const tag of api.tags) {
    routes.append(make("h2", tag.name), make("p", tag.description, "note"));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, described] of Object.entries(methods)) {
        if (described.tags.includes(tag.name)) routes.append(operation(path, method, described));
      }
    }
  }
  routes.append(make("h2", "Schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const element = make("details", [make("summary", make("code", name)), fields(schema), shown(schema)]);
    element.id = name;
    routes.append(element);
  }
}

show();
