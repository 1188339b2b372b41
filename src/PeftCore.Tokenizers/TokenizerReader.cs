namespace PeftCore.Tokenizers;

/// <summary>Reads tokenizer.json.</summary>
internal static class TokenizerReader
{
    public static Tokenizer ReadFile(string path, TokenizerConfig config) => JsonField.ReadFile(path, root => Read(root, config));

    public static Tokenizer Read(JsonField root, TokenizerConfig config)
    {
        root.Only("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
        if (root["version"].AsStringOrNull() is not (null or "1.0"))
        {
            throw root["version"].Bad("version \"1.0\"");
        }

        // Truncation and padding are the caller's: libraries above the file set them anew for each call.
        foreach (string? name in new[] { "truncation", "padding" })
        {
            if (!root[name].IsNull)
            {
                root[name].AsObject();
            }
        }

        var problems = new List<string>();
        var model = ModelReader.Read(root["model"], problems);
        var normalizer = NormalizerReader.Read(root["normalizer"]);
        var added = new AddedVocabulary(AddedTokenReader.Read(root["added_tokens"]), model, normalizer, problems);
        var postProcessor = PostProcessorReader.Read(root["post_processor"]);
        foreach (var (token, id) in postProcessor?.SpecialTokens ?? [])
        {
            if ((added.IdOf(token) ?? model.IdOf(token)) is var known && known != id)
            {
                problems.Add($"post_processor gives \"{token}\" the id {id}, but " +
                    $"{(known is null ? "the vocabulary has no such token" : $"in the vocabulary it is {known}")}; "
                    + $"{id} is put around texts, as in Hugging Face's tokenizers.");
            }
        }

        return new Tokenizer(added, PreTokenizerReader.Read(root["pre_tokenizer"]), model, postProcessor,
            DecoderReader.Read(root["decoder"]),
            config, [.. problems.Distinct().Select(problem => $"{root.File}: {problem}")]);
    }
}
