namespace PeftCore.Tokenizers;

/// <summary>Reads the "post_processor" of a tokenizer.json.</summary>
internal static class PostProcessorReader
{
    public static IPostProcessor? Read(JsonField field) => field.IsNull ? null : ReadStep(field, 0);

    private static IPostProcessor ReadStep(JsonField field, int depth) => field["type"].AsString() switch
    {
        "Sequence" when depth < 8 => new PostProcessorSequence(
            [.. field.Only("type", "processors")["processors"].Items().Select(i => ReadStep(i, depth + 1))]),
        "ByteLevel" => ReadByteLevel(field),
        "TemplateProcessing" => ReadTemplate(field),
        "BertProcessing" => ReadBert(field.Only("type", "sep", "cls")),
        "RobertaProcessing" => ReadRoberta(field.Only("type", "sep", "cls", "trim_offsets", "add_prefix_space")),
        _ => throw field["type"].Bad("a post-processor that this library knows (Sequence, ByteLevel, TemplateProcessing, BertProcessing, "
            + "RobertaProcessing)"),
    };

    private static ByteLevelPostProcessor ReadByteLevel(JsonField field)
    {
        field.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
        field["use_regex"].AsBool(true);
        return new ByteLevelPostProcessor(field["add_prefix_space"].AsBool(), field["trim_offsets"].AsBool());
    }

    /// <summary>[CLS] A [SEP] or [CLS] A [SEP] B [SEP], B with type 1.</summary>
    private static TemplatePostProcessor ReadBert(JsonField field)
    {
        var (cls, sep) = (ReadToken(field["cls"]), ReadToken(field["sep"]));
        return new TemplatePostProcessor(
            [cls, Sequence(0, 0), sep],
            [cls, Sequence(0, 0), sep, Sequence(1, 1), sep with { TypeId = 1 }]);
    }

    /// <summary>&lt;s&gt; A &lt;/s&gt; or &lt;s&gt; A &lt;/s&gt;&lt;/s&gt; B &lt;/s&gt;, all with type 0.</summary>
    private static PostProcessorSequence ReadRoberta(JsonField field)
    {
        var (cls, sep) = (ReadToken(field["cls"]), ReadToken(field["sep"]));
        return new PostProcessorSequence(
        [
            new ByteLevelPostProcessor(field["add_prefix_space"].AsBool(), field["trim_offsets"].AsBool()),
            new TemplatePostProcessor([cls, Sequence(0, 0), sep], [cls, Sequence(0, 0), sep, sep, Sequence(1, 0), sep]),
        ]);
    }

    private static TemplatePostProcessor ReadTemplate(JsonField field)
    {
        field.Only("type", "single", "pair", "special_tokens");
        var tokens = new Dictionary<string, TemplatePiece>(StringComparer.Ordinal);
        foreach (var (name, token) in field["special_tokens"].Members())
        {
            token.Only("id", "ids", "tokens");
            int[] ids = token["ids"].Items().Select(i => i.AsIndex()).ToArray();
            string[] texts = token["tokens"].Items().Select(i => i.AsString()).ToArray();
            if (ids.Length != texts.Length)
            {
                throw token.Bad("as many ids as tokens");
            }

            tokens[name] = new TemplatePiece(-1, 0, ids, texts);
        }

        return new TemplatePostProcessor(
            ReadPieces(field["single"], tokens, sequences: 1),
            ReadPieces(field["pair"], tokens, sequences: 2));
    }

    private static List<TemplatePiece> ReadPieces(JsonField field, Dictionary<string, TemplatePiece> tokens, int sequences)
    {
        var pieces = new List<TemplatePiece>();
        foreach (var item in field.Items())
        {
            item.Only("Sequence", "SpecialToken");
            bool isSequence = !item["Sequence"].IsNull;
            var body = item[isSequence ? "Sequence" : "SpecialToken"].Only("id", "type_id");
            int type = body["type_id"].AsIndex();
            pieces.Add(body["id"].AsString() switch
            {
                "A" when isSequence => Sequence(0, type),
                "B" when isSequence && sequences == 2 => Sequence(1, type),
                var id when !isSequence && tokens.TryGetValue(id, out var token) => token with { TypeId = type },
                _ => throw body["id"].Bad(isSequence ? "A, or B in the template of a pair" : "the name of a token of special_tokens"),
            });
        }

        return pieces;
    }

    private static TemplatePiece Sequence(int index, int typeId) => new(index, typeId, [], []);

    /// <summary>A token as ["text", id].</summary>
    private static TemplatePiece ReadToken(JsonField field)
    {
        var parts = field.Items().ToList();
        return parts.Count == 2
            ? new TemplatePiece(-1, 0, [parts[1].AsIndex()], [parts[0].AsString()])
            : throw field.Bad("a token and its id, as [\"</s>\", 2]");
    }
}
