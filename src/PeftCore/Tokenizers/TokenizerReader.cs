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
        foreach (var name in new[] { "truncation", "padding" })
        {
            if (!root[name].IsNull)
            {
                root[name].AsObject();
            }
        }

        var model = ModelReader.Read(root["model"]);
        var normalizer = NormalizerReader.Read(root["normalizer"]);
        return new Tokenizer(
            new AddedVocabulary(AddedTokenReader.Read(root["added_tokens"]), model, normalizer),
            PreTokenizerReader.Read(root["pre_tokenizer"]),
            model,
            PostProcessorReader.Read(root["post_processor"]),
            DecoderReader.Read(root["decoder"]),
            config);
    }
}
