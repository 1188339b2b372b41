using System.Text;

namespace PeftCore.Tokenizers;

/// <summary>Reads the "decoder" of a tokenizer.json.</summary>
internal static class DecoderReader
{
    public static IDecoder? Read(JsonField field) => field.IsNull ? null : ReadStep(field, 0);

    private static IDecoder ReadStep(JsonField field, int depth) => field["type"].AsString() switch
    {
        "Sequence" when depth < 8 => new DecoderSequence(
            [.. field.Only("type", "decoders")["decoders"].Items().Select(i => ReadStep(i, depth + 1))]),
        "ByteLevel" => ReadByteLevel(field.Only("type", "add_prefix_space", "trim_offsets", "use_regex")),
        "ByteFallback" => field.Only("type") is var _ ? new ByteFallbackDecoder() : null!,
        "Fuse" => field.Only("type") is var _ ? new FuseDecoder() : null!,
        "Metaspace" => ReadMetaspace(field),
        "WordPiece" => ReadWordPiece(field.Only("type", "prefix", "cleanup")),
        "BPEDecoder" => ReadBpe(field.Only("type", "suffix")["suffix"].AsString()),
        "Strip" => ReadStrip(field.Only("type", "content", "start", "stop")),
        "Replace" => ReadReplace(field.Only("type", "pattern", "content")),
        "CTC" => field.Only("type", "pad_token", "word_delimiter_token", "cleanup") is var ctc
            ? new CtcDecoder(ctc["pad_token"].AsString(), ctc["word_delimiter_token"].AsString(), ctc["cleanup"].AsBool())
            : null!,
        _ => throw field["type"].Bad("a decoder that this library knows (Sequence, ByteLevel, ByteFallback, Fuse, Metaspace, WordPiece, "
            + "BPEDecoder, Strip, Replace, CTC)"),
    };

    private static ByteLevelDecoder ReadByteLevel(JsonField _) => new();

    private static TokenDecoder ReadMetaspace(JsonField field)
    {
        var (mark, scheme, _) = PreTokenizerReader.ReadMetaspace(field);
        return new TokenDecoder((token, index, _) =>
            token.Replace(mark, index == 0 && scheme != PrependScheme.Never ? "" : " ", StringComparison.Ordinal));
    }

    private static TokenDecoder ReadWordPiece(JsonField field)
    {
        var (prefix, cleanup) = (field["prefix"].AsString(), field["cleanup"].AsBool());
        return new TokenDecoder((token, index, _) =>
        {
            string text = index == 0 ? token
                : token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..]
                : " " + token;
            return cleanup ? TextCleanup.Clean(text) : text;
        });
    }

    private static TokenDecoder ReadBpe(string suffix) => new((token, index, count) =>
        suffix.Length == 0 ? token : token.Replace(suffix, index == count - 1 ? "" : " ", StringComparison.Ordinal));

    private static TokenDecoder ReadStrip(JsonField field)
    {
        var (content, start, stop) = (field["content"].AsCharacter(), field["start"].AsIndex(), field["stop"].AsIndex());
        return new TokenDecoder((token, _, _) =>
        {
            var (first, last) = (0, token.Length);
            for (int i = 0; i < start && token.AsSpan(first).StartsWith(content); i++)
            {
                first += content.Length;
            }

            for (int i = 0; i < stop && token.AsSpan(first, last - first).EndsWith(content); i++)
            {
                last -= content.Length;
            }

            return token[first..last];
        });
    }

    private static TokenDecoder ReadReplace(JsonField field)
    {
        var (pattern, content) = (PatternReader.Read(field["pattern"]), field["content"].AsString());
        return new TokenDecoder((token, _, _) =>
        {
            var matches = new List<TextSpan>();
            pattern.FindMatches(token, matches);
            if (matches.Count == 0)
            {
                return token;
            }

            var result = new StringBuilder();
            int last = 0;
            foreach (var match in matches)
            {
                result.Append(token, last, match.Start - last).Append(content);
                last = match.End;
            }

            return result.Append(token, last, token.Length - last).ToString();
        });
    }
}
