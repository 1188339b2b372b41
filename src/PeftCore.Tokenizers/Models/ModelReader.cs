using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>Reads the "model" of a tokenizer.json.</summary>
internal static class ModelReader
{
    public static ITokenModel Read(JsonField model, List<string> problems)
    {
        string type = model["type"].AsStringOrNull() ?? GuessType(model);
        return type switch
        {
            "BPE" => ReadBpe(model, problems),
            "WordPiece" => ReadWordPiece(model, problems),
            "WordLevel" => ReadWordLevel(model, problems),
            "Unigram" => ReadUnigram(model, problems),
            _ => throw model["type"].Bad("BPE, WordPiece, WordLevel or Unigram"),
        };
    }

    /// <summary>Files from before 2021 do not name the type.</summary>
    private static string GuessType(JsonField model) =>
        !model["merges"].IsNull ? "BPE"
        : model["vocab"].Element.ValueKind == JsonValueKind.Array ? "Unigram"
        : !model["continuing_subword_prefix"].IsNull ? "WordPiece"
        : "WordLevel";

    private static BpeModel ReadBpe(JsonField model, List<string> problems)
    {
        model.Only("type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
            "ignore_merges", "vocab", "merges");
        if (!model["dropout"].IsNull)
        {
            // Dropout of merges (BPE-dropout) is for training a model on varied segmentations; encoding is without it.
            model["dropout"].AsNumber();
        }

        var options = new BpeOptions(
            model["unk_token"].AsStringOrNull(),
            model["continuing_subword_prefix"].AsStringOrNull(),
            model["end_of_word_suffix"].AsStringOrNull(),
            model["fuse_unk"].AsBool(false),
            model["byte_fallback"].AsBool(false),
            model["ignore_merges"].AsBool(false));
        var vocabulary = ReadVocabulary(model["vocab"], problems);
        return new BpeModel(vocabulary, ReadMerges(model["merges"], vocabulary, options.ContinuingPrefix ?? ""), options);
    }

    private static PairTable ReadMerges(JsonField merges, Vocabulary vocabulary, string prefix)
    {
        if (merges.Element.ValueKind != JsonValueKind.Array)
        {
            throw merges.Bad("a list of merges");
        }

        var table = new PairTable(merges.Element.GetArrayLength());
        int rank = 0;
        int index = -1;
        foreach (var item in merges.Element.EnumerateArray())
        {
            index++;
            if (SplitMerge(merges, index, item) is not var (left, right))
            {
                continue;
            }

            if (right.Length < prefix.Length
                || !vocabulary.TryGet(left, out int leftId)
                || !vocabulary.TryGet(right, out int rightId)
                || !vocabulary.TryGet(string.Concat(left, right.AsSpan(prefix.Length)), out int mergedId))
            {
                throw merges.Child(index, item).Bad("two tokens of model.vocab whose concatenation is a token too");
            }

            table.Set(leftId, rightId, rank++, mergedId);
        }

        return table;
    }

    /// <summary>A merge is a pair of strings, or in older files one string with a space between. A version line is no merge.</summary>
    private static (string Left, string Right)? SplitMerge(JsonField merges, int index, JsonElement item)
    {
        if (item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 2
            && item[0].ValueKind == JsonValueKind.String && item[1].ValueKind == JsonValueKind.String)
        {
            return (item[0].GetString()!, item[1].GetString()!);
        }

        if (item.ValueKind == JsonValueKind.String)
        {
            string text = item.GetString()!;
            if (text.StartsWith("#version", StringComparison.Ordinal))
            {
                return null;
            }

            int space = text.IndexOf(' ', StringComparison.Ordinal);
            if (space >= 0 && text.IndexOf(' ', space + 1) < 0)
            {
                return (text[..space], text[(space + 1)..]);
            }
        }

        throw merges.Child(index, item).Bad("a pair of tokens, as [\"a\", \"b\"] or \"a b\"");
    }

    private static Vocabulary ReadVocabulary(JsonField vocab, List<string> problems)
    {
        vocab.AsObject();
        var tokens = new Dictionary<int, string>();
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var member in vocab.Element.EnumerateObject())
        {
            if (member.Value.ValueKind != JsonValueKind.Number || !member.Value.TryGetInt32(out int id) || id < 0)
            {
                throw vocab.Child(member.Name, member.Value).Bad("a token id from 0 to 2147483647");
            }

            ids[member.Name] = id;
            if (!tokens.TryAdd(id, member.Name))
            {
                problems.Add($"model.vocab gives the id {id} to \"{tokens[id]}\" and to \"{member.Name}\"; it decodes to the later one.");
            }
        }

        return new Vocabulary(ids);
    }

    private static WordPieceModel ReadWordPiece(JsonField model, List<string> problems)
    {
        model.Only("type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab");
        return new WordPieceModel(
            ReadVocabulary(model["vocab"], problems),
            model["unk_token"].AsString(),
            model["continuing_subword_prefix"].AsString(),
            model["max_input_chars_per_word"].AsIndex());
    }

    private static WordLevelModel ReadWordLevel(JsonField model, List<string> problems)
    {
        model.Only("type", "unk_token", "vocab");
        return new WordLevelModel(ReadVocabulary(model["vocab"], problems), model["unk_token"].AsString());
    }

    private static UnigramModel ReadUnigram(JsonField model, List<string> problems)
    {
        model.Only("type", "unk_id", "byte_fallback", "vocab");
        var vocab = model["vocab"];
        var tokens = new List<string>();
        var scores = new List<double>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        if (vocab.Element.ValueKind != JsonValueKind.Array)
        {
            throw vocab.Bad("a list of tokens and scores");
        }

        foreach (var item in vocab.Element.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Array || item.GetArrayLength() != 2 || item[0].ValueKind != JsonValueKind.String)
            {
                throw vocab.Child(tokens.Count, item).Bad("a token and its score, as [\"the\", -3.5]");
            }

            var score = item[1];
            double value = score.ValueKind == JsonValueKind.Number ? UnigramScore.Parse(score.GetRawText()) : double.NaN;
            if (!double.IsFinite(value))
            {
                throw vocab.Child(tokens.Count, item).Bad("a token and its score, as [\"the\", -3.5]");
            }

            scores.Add(value);
            if (!known.Add(item[0].GetString()!))
            {
                problems.Add($"model.vocab has the token \"{item[0].GetString()}\" twice; the later place is its id.");
            }

            tokens.Add(item[0].GetString()!);
        }

        int unknown = model["unk_id"].IsNull ? -1 : model["unk_id"].AsIndex();
        if (unknown >= tokens.Count)
        {
            throw model["unk_id"].Bad($"an index below {tokens.Count}, the size of model.vocab");
        }

        return new UnigramModel([.. tokens], [.. scores], unknown, model["byte_fallback"].AsBool(false));
    }
}
