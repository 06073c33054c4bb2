"""The page of a model: a report and an explorer of the latent space, in one file or from a server on 127.0.0.1.

`document.page` puts a page together: facts of the model (`facts`), rows (`rows`, `cells`), maps of the latents
(`maps`), the network for the browser (`networks`, `adapters`), all as one header in JSON and blocks of numbers
(`blocks`). `built/` is the browser's part, made from `web/`; `web/src/format.ts` describes what it reads.
"""
