// Does in the browser what a user does: signs in, drops a clip, compares prices, starts, waits, looks, shares, changes the key.

import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";

const [url, key, clip, executablePath] = process.argv.slice(2);
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"] });
const page = await browser.newPage();
const complaints = [];
page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => {
  const asked = request.url();
  if (!asked.startsWith(url) && !/^(blob|data):/.test(asked)) complaints.push(`the page asked elsewhere: ${asked}`);
});

const text = () => page.$eval("body", (body) => body.innerText);
const until = async (what, holds, limit = 240_000) => {
  const end = Date.now() + limit;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${what} did not come; the page says:\n${await text()}`);
    await new Promise((wake) => setTimeout(wake, 200));
  }
};
const shows = (words) => until(`"${words}"`, async () => (await text()).includes(words));
const step = (words) => console.log(`  ${words}`);

await page.setViewport({ width: 1200, height: 900 });
await page.goto(`${url}/app`);
step("a wrong key is refused with a sentence");
await page.waitForSelector("#key");
await page.type("#key", "rfx_live_0000000000000000000000000000000000000000");
await page.keyboard.press("Enter");
await until("a refusal", async () => (await page.$eval("#notice", (notice) => notice.textContent)) !== "");
// The browser itself reports the 401.
complaints.length = 0;

step("signed in by the keyboard alone");
await page.$eval("#key", (field) => (field.value = ""));
await page.focus("#key");
await page.keyboard.type(key);
await page.keyboard.press("Enter");
await shows("New clip");
await shows("100000 xeconds");

step("a clip is uploaded and priced for several rates");
await (await page.$("input[type=file]")).uploadFile(clip);
await shows("Target rate");
const rates = await page.$$eval("input[name=rate]", (radios) => radios.map((radio) => Number(radio.value)));
assert.deepEqual(rates, [48, 50, 60, 90, 120, 144, 240]);
await page.screenshot({ path: "estimates.png" });
await page.focus("input[name=rate]:checked");
await page.keyboard.press("ArrowRight");
assert.equal(await page.$eval("input[name=rate]:checked", (radio) => radio.value), "90");
await page.keyboard.press("ArrowLeft");
assert.equal(await page.$eval("input[name=rate]:checked", (radio) => radio.value), "60");
await page.keyboard.press("Enter");

step("it renders, and progress is told");
await shows("30 fps to 60 fps");
await until("the result", async () => (await page.$("video.after")) !== null);
await shows("99998 xeconds");
const seen = await until("the result's pictures", () =>
  page.$eval("video.after", (video) => video.readyState >= 2 && video.videoWidth > 0));
assert.equal(seen, undefined);
const duration = await page.$eval("video.after", (video) => video.duration);
assert.ok(Math.abs(duration - 122 / 60) < 0.05, `${duration} s`);

step("before and after run together, in slow motion, by frames and by the line");
await page.$eval("section[aria-label='Before and after']", (section) => section.focus());
await page.keyboard.press("ArrowRight");
assert.equal(await page.$eval("input[type=range]", (range) => range.value), "52");
await page.select("select", "0.25");
assert.equal(await page.$eval("video.after", (video) => video.playbackRate), 0.25);
await page.$eval("section[aria-label='Before and after']", (section) => section.focus());
const before = await page.$eval("video.after", (video) => video.currentTime);
await page.keyboard.press(".");
await until("the next frame", async () => Math.abs((await page.$eval("video.after", (video) => video.currentTime)) - before - 1 / 60) < 0.002);
await page.keyboard.press(" ");
await until("it plays", () => page.$eval("video.after", (video) => !video.paused && video.currentTime > 0.1));
const apart = await page.$$eval("video", ([source, result]) => Math.abs(source.currentTime - result.currentTime));
assert.ok(apart < 0.2, `${apart} s apart`);
await page.keyboard.press(" ");
await page.screenshot({ path: "compare.png" });

step("a link shows it to a guest, until it is taken back");
const press = (name) => page.evaluate((name) => [...document.querySelectorAll("button")].find((button) => button.textContent === name).click(), name);
await press("Share by a link");
await until("the link", async () => (await page.$("main code")) !== null);
const link = await page.$eval("main code", (code) => code.textContent);
const context = await browser.createBrowserContext();
const guest = await context.newPage();
await guest.setViewport({ width: 390, height: 844, isMobile: true });
await guest.goto(link);
await guest.waitForSelector("video");
await guest.screenshot({ path: "guest.png" });
await press("Stop sharing");
await until("it is taken back", async () => (await page.$("main code")) === null);
await guest.reload();
await guest.waitForFunction(() => document.getElementById("notice").textContent.includes("not shared any more"));
await context.close();

step("at the width of a phone nothing is cut off");
await page.setViewport({ width: 390, height: 844, isMobile: true });
for (const view of ["#new", "#history", "#account"]) {
  await page.evaluate((view) => (location.hash = view), view);
  await page.waitForFunction(() => document.querySelector("main h2"));
  await new Promise((wake) => setTimeout(wake, 400));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.ok(!wide, `${view} is wider than the screen`);
  await page.screenshot({ path: `phone-${view.slice(1)}.png` });
}
await shows("API key");

step("the key is changed, and the new one works");
page.once("dialog", (dialog) => dialog.accept());
await press("Make a new key");
await until("the new key", async () => (await page.$("#new-key")) !== null);
const fresh = await page.$eval("#new-key", (code) => code.textContent);
assert.match(fresh, /^rfx_live_[0-9a-f]{40}$/);
assert.notEqual(fresh, key);
await page.evaluate(() => (location.hash = "#history"));
await shows("60 fps");
await shows("toy30.mp4");

assert.deepEqual(complaints, []);
await browser.close();
console.log("the studio works");
