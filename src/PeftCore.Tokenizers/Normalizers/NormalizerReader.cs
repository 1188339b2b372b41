namespace PeftCore.Tokenizers;

/// <summary>Reads the "normalizer" of a tokenizer.json.</summary>
internal static class NormalizerReader
{
    public static INormalizer? Read(JsonField field) => field.IsNull ? null : ReadStep(field, 0);

    private static INormalizer ReadStep(JsonField field, int depth) => field["type"].AsString() switch
    {
        "Sequence" when depth < 8 => new NormalizerSequence(
            [.. field.Only("type", "normalizers")["normalizers"].Items().Select(i => ReadStep(i, depth + 1))]),
        "NFC" => Plain(field, text => NormalForms.Apply(text, compatible: false, compose: true)),
        "NFD" => Plain(field, text => NormalForms.Apply(text, compatible: false, compose: false)),
        "NFKC" => Plain(field, text => NormalForms.Apply(text, compatible: true, compose: true)),
        "NFKD" => Plain(field, text => NormalForms.Apply(text, compatible: true, compose: false)),
        "Lowercase" => Plain(field, SimpleEdits.Lowercase),
        "StripAccents" => Plain(field, text => text.Filter(c => !CharacterKinds.IsMark(c))),
        "Nmt" => Plain(field, SimpleEdits.Nmt),
        "ByteLevel" => Plain(field, SimpleEdits.ByteLevel),
        "Strip" => ReadStrip(field.Only("type", "strip_left", "strip_right")),
        "Prepend" => ReadPrepend(field.Only("type", "prepend")["prepend"].AsString()),
        "Replace" => ReadReplace(field.Only("type", "pattern", "content")),
        "BertNormalizer" or "Bert" => ReadBert(field),
        "Precompiled" => PrecompiledNormalizer.Read(field.Only("type", "precompiled_charsmap")["precompiled_charsmap"]),
        _ => throw field["type"].Bad("a normalizer that this library knows (Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Nmt, "
            + "ByteLevel, Strip, Prepend, Replace, BertNormalizer, Precompiled)"),
    };

    private static EditNormalizer Plain(JsonField field, Func<AlignedText, AlignedText> edit)
    {
        field.Only("type");
        return new EditNormalizer(edit);
    }

    private static EditNormalizer ReadStrip(JsonField field)
    {
        var (left, right) = (field["strip_left"].AsBool(), field["strip_right"].AsBool());
        return new EditNormalizer(text => text.Strip(left, right));
    }

    private static EditNormalizer ReadPrepend(string prefix) => new(text => text.Prepend(prefix));

    private static EditNormalizer ReadReplace(JsonField field)
    {
        var (pattern, content) = (PatternReader.Read(field["pattern"]), field["content"].AsString());
        return new EditNormalizer(text => text.Replace(pattern, content));
    }

    private static NormalizerSequence ReadBert(JsonField field)
    {
        field.Only("type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase");
        bool lowercase = field["lowercase"].AsBool();
        var steps = new List<INormalizer>();
        if (field["clean_text"].AsBool())
        {
            steps.Add(new EditNormalizer(SimpleEdits.CleanText));
        }

        if (field["handle_chinese_chars"].AsBool())
        {
            steps.Add(new EditNormalizer(SimpleEdits.SpaceChinese));
        }

        if (field["strip_accents"].AsBool(lowercase))
        {
            steps.Add(new EditNormalizer(text => NormalForms.Apply(text, compatible: false, compose: false)
                .Filter(c => !CharacterKinds.IsNonSpacingMark(c))));
        }

        if (lowercase)
        {
            steps.Add(new EditNormalizer(SimpleEdits.Lowercase));
        }

        return new NormalizerSequence(steps);
    }
}
