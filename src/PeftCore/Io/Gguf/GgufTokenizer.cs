using System.Globalization;
using System.Text.Json.Nodes;

namespace PeftCore.Io.Gguf;

/// <summary>Writes the tokenizer.json and tokenizer_config.json that the metadata of a GGUF file describe: byte-level BPE
/// (tokenizer.ggml.model "gpt2") or SentencePiece's BPE ("llama"), whose merges follow from the scores of the pieces.</summary>
internal sealed class GgufTokenizer
{
    private const string Keys = "tokenizer.ggml.", Space = "▁";

    private readonly GgufFile _file;
    private readonly string[] _tokens;
    private readonly GgufTokenType[] _types;

    private GgufTokenizer(GgufFile file)
    {
        _file = file;
        _tokens = file.Get(Keys + "tokens").Texts;
        long[]? types = file.Find(Keys + "token_type")?.Integers;
        if (types is not null && types.Length != _tokens.Length)
        {
            throw file.Get(Keys + "token_type").Bad($"lists {types.Length} types for {_tokens.Length} tokens");
        }
        _types = types is null ? [.. _tokens.Select(_ => GgufTokenType.Normal)] : Array.ConvertAll(types, type => (GgufTokenType)type);
    }

    /// <summary>Why the tokenizer is not read; null if it is.</summary>
    public static string? WhyNot(GgufFile file) =>
        file.Find(Keys + "model") is not { } model || file.Find(Keys + "tokens") is null ? "the metadata have no tokenizer"
        : model.Text is not ("gpt2" or "llama") ? $"its tokenizer is of the kind \"{model.Text}\", but gpt2 and llama are read"
        : model.Text == "gpt2" && PreOf(file) is null
            ? $"its tokenizer splits texts as \"{file.Find(Keys + "pre")?.Text ?? "default"}\", but {GgufPreTokenizer.Known} are read"
        : null;

    /// <summary>The two files by name.</summary>
    /// <exception cref="BadInputException">A value is missing or wrong.</exception>
    public static Dictionary<string, JsonObject> Files(GgufFile file)
    {
        var tokenizer = new GgufTokenizer(file);
        return new Dictionary<string, JsonObject>(StringComparer.Ordinal)
        {
            ["tokenizer.json"] = file.Get(Keys + "model").Text == "gpt2" ? tokenizer.ByteLevel(PreOf(file)!) : tokenizer.SentencePiece(),
            ["tokenizer_config.json"] = tokenizer.Config(),
        };
    }

    private static GgufPreTokenizer? PreOf(GgufFile file) =>
        file.Find(Keys + "pre") is { } name ? GgufPreTokenizer.Find(name.Text) : null;

    private JsonObject ByteLevel(GgufPreTokenizer pre)
    {
        var merges = new JsonArray();
        var value = _file.Get(Keys + "merges");
        foreach (string merge in value.Texts)
        {
            // The space is no character of a byte-level token.
            int space = merge.Length > 0 ? merge.IndexOf(' ', 1) : -1;
            merges.Add(space > 0 ? (JsonNode)merge : throw value.Bad($"has \"{merge}\", expected two tokens with a space between"));
        }
        var model = new JsonObject
        {
            ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = null, ["continuing_subword_prefix"] = null, ["end_of_word_suffix"] = null,
            ["fuse_unk"] = false, ["byte_fallback"] = false, ["ignore_merges"] = pre.IgnoresMerges, ["vocab"] = Vocabulary(),
            ["merges"] = merges,
        };
        var normalizer = pre.Normalizes ? new JsonObject { ["type"] = "NFC" } : null;
        return Whole(normalizer, pre.Json, GgufPreTokenizer.ByteLevel(useRegex: true), model, Flag("add_bos_token", pre.AddsBos));
    }

    private JsonObject SentencePiece()
    {
        var vocabulary = Vocabulary();
        double[] scores = _file.Get(Keys + "scores").Numbers;
        if (scores.Length != _tokens.Length)
        {
            throw _file.Get(Keys + "scores").Bad($"lists {scores.Length} scores for {_tokens.Length} tokens");
        }
        bool prefix = Flag("add_space_prefix", true);
        var replace = new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = " " }, ["content"] = Space };
        var normalizer = prefix ? new JsonObject
        {
            ["type"] = "Sequence",
            ["normalizers"] = new JsonArray(new JsonObject { ["type"] = "Prepend", ["prepend"] = Space }, replace),
        } : replace;
        var decoders = new JsonArray(
            new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = Space }, ["content"] = " " },
            new JsonObject { ["type"] = "ByteFallback" }, new JsonObject { ["type"] = "Fuse" });
        if (prefix)
        {
            decoders.Add((JsonNode)new JsonObject { ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0 });
        }
        var model = new JsonObject
        {
            ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = TokenOf("unknown"), ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null, ["fuse_unk"] = true,
            ["byte_fallback"] = Array.Exists(_types, type => type == GgufTokenType.Byte),
            ["ignore_merges"] = false, ["vocab"] = vocabulary,
            ["merges"] = new JsonArray([.. SentencePieceMerges.Of(_tokens, scores, id => _types[id] != GgufTokenType.Unused)
                .Select(merge => (JsonNode)new JsonArray(merge.Left, merge.Right))]),
        };
        var decoder = new JsonObject { ["type"] = "Sequence", ["decoders"] = decoders };
        return Whole(normalizer, null, decoder, model, Flag("add_bos_token", true));
    }

    private JsonObject Whole(JsonObject? normalizer, JsonObject? preTokenizer, JsonObject decoder, JsonObject model, bool addsBos) => new()
    {
        ["version"] = "1.0",
        ["truncation"] = null,
        ["padding"] = null,
        ["added_tokens"] = AddedTokens(),
        ["normalizer"] = normalizer,
        ["pre_tokenizer"] = preTokenizer,
        ["post_processor"] = PostProcessor(addsBos),
        ["decoder"] = decoder,
        ["model"] = model,
    };

    private JsonObject Config()
    {
        var config = new JsonObject();
        foreach (var (key, role) in new[]
            { ("bos", "bos_token"), ("eos", "eos_token"), ("unknown", "unk_token"), ("padding", "pad_token"), ("seperator", "sep_token") })
        {
            if (TokenOf(key) is { } token)
            {
                config[role] = token;
            }
        }
        if (_file.Find("tokenizer.chat_template") is { } template)
        {
            config["chat_template"] = template.Text;
        }
        return config;
    }

    /// <summary>The vocabulary without the fillers of unused ids.</summary>
    private JsonObject Vocabulary()
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var vocabulary = new JsonObject();
        for (int id = 0; id < _tokens.Length; id++)
        {
            if (_types[id] == GgufTokenType.Unused)
            {
                continue;
            }
            if (!ids.TryAdd(_tokens[id], id))
            {
                throw _file.Get(Keys + "tokens").Bad($"has \"{_tokens[id]}\" twice, as {ids[_tokens[id]]} and {id}");
            }
            vocabulary[_tokens[id]] = id;
        }
        return vocabulary;
    }

    private JsonArray AddedTokens()
    {
        var added = new JsonArray();
        for (int id = 0; id < _tokens.Length; id++)
        {
            if (_types[id] is GgufTokenType.Control or GgufTokenType.Unknown or GgufTokenType.UserDefined)
            {
                added.Add((JsonNode)new JsonObject
                {
                    ["id"] = id, ["content"] = _tokens[id], ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false,
                    ["normalized"] = false, ["special"] = _types[id] != GgufTokenType.UserDefined,
                });
            }
        }
        return added;
    }

    private JsonObject? PostProcessor(bool addsBos)
    {
        string? bos = addsBos ? TokenOf("bos") : null, eos = Flag("add_eos_token", false) ? TokenOf("eos") : null;
        if (bos is null && eos is null)
        {
            return null;
        }
        var special = new JsonObject();
        foreach (var (token, key) in new[] { (bos, "bos"), (eos, "eos") })
        {
            if (token is not null)
            {
                special[token] = new JsonObject { ["id"] = token, ["ids"] = new JsonArray(IdOf(key)), ["tokens"] = new JsonArray(token) };
            }
        }
        return new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray([.. Around("A", 0)]),
            ["pair"] = new JsonArray([.. Around("A", 0), .. Around("B", 1)]),
            ["special_tokens"] = special,
        };

        IEnumerable<JsonNode> Around(string sequence, int type) =>
            [.. Special(bos, type), new JsonObject { ["Sequence"] = Part(sequence, type) }, .. Special(eos, type)];

        static IEnumerable<JsonNode> Special(string? token, int type) =>
            token is null ? [] : [new JsonObject { ["SpecialToken"] = Part(token, type) }];

        static JsonObject Part(string id, int type) => new() { ["id"] = id, ["type_id"] = type };
    }

    private bool Flag(string key, bool fallback) => _file.Find(Keys + key)?.Bool ?? fallback;

    private int? IdOf(string role)
    {
        if (_file.Find($"{Keys}{role}_token_id") is not { } value)
        {
            return null;
        }
        return value.Integer is >= 0 and var id && id < _tokens.Length ? (int)id
            : throw value.Bad(string.Create(CultureInfo.InvariantCulture, $"is {value.Integer}, but there are {_tokens.Length} tokens"));
    }

    private string? TokenOf(string role) => IdOf(role) is { } id && _types[id] != GgufTokenType.Unused ? _tokens[id] : null;
}
