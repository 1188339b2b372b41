using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftCore.Io.Gguf;

/// <summary>Writes the tokenizer of a model directory as metadata of a GGUF file: byte-level BPE as "gpt2", BPE with byte fallback as
/// "llama", where the scores of pieces follow from the order of the merges.</summary>
internal static class GgufVocabulary
{
    private const string Keys = "tokenizer.ggml.";

    // In gguf-py's order; the name in files where it differs.
    private static readonly (string Role, string Key)[] Roles =
    [
        ("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("sep", "seperator"), ("pad", "padding"), ("cls", "cls"), ("mask", "mask"),
    ];

    /// <summary>Adds the tokenizer; one that llama.cpp does not have is left out, with a warning.</summary>
    public static void Add(GgufMetadata metadata, ModelDirectory directory, ConfigReader config, ICollection<string>? warnings)
    {
        if (Read(directory, "tokenizer.json") is not { } tokenizer)
        {
            warnings?.Add($"{directory.FullPath}: there is no tokenizer.json, so the file has no tokenizer.");
            return;
        }
        var model = tokenizer["model"] as JsonObject;
        bool hasBytes = model?["byte_fallback"] is JsonValue fallback && fallback.GetValueKind() == JsonValueKind.True;
        var pre = GgufPreTokenizer.Of(tokenizer["pre_tokenizer"]);
        if (model is null || model["type"]?.GetValue<string>() is not (null or "BPE") || model["vocab"] is not JsonObject vocabulary
            || (!hasBytes && pre is null))
        {
            warnings?.Add($"{directory.FullPath}: tokenizer.json is no BPE with byte fallback, nor a byte-level one that splits texts as " +
                $"{GgufPreTokenizer.Known}; the file has no tokenizer.");
            return;
        }
        int size = config.Int("vocab_size", min: 1);
        var (tokens, types) = Tokens(tokenizer, vocabulary, size);
        metadata.Add(Keys + "model", hasBytes ? "llama" : "gpt2");
        metadata.Add(Keys + "pre", hasBytes ? "default" : pre!.Names[0]);
        metadata.Add(Keys + "tokens", tokens);
        string[] merges = [.. Merges(model)];
        if (hasBytes)
        {
            metadata.Add(Keys + "scores", Scores(tokens, merges));
        }
        metadata.Add(Keys + "token_type", types);
        if (!hasBytes && merges.Length > 0)
        {
            metadata.Add(Keys + "merges", merges);
        }
        AddRoles(metadata, directory, config, tokenizer, tokens);
        if (hasBytes)
        {
            bool prefix = tokenizer["normalizer"]?.ToJsonString().Contains("\"Prepend\"", StringComparison.Ordinal) == true;
            metadata.Add(Keys + "add_space_prefix", prefix);
        }
    }

    private static (string[] Tokens, int[] Types) Tokens(JsonObject tokenizer, JsonObject vocabulary, int size)
    {
        string[] tokens = [.. Enumerable.Range(0, size).Select(id => $"[PAD{id}]")];
        int[] types = new int[size];
        Array.Fill(types, (int)GgufTokenType.Unused);
        foreach (var (token, value) in vocabulary)
        {
            Put(value!.GetValue<int>(), token, IsByte(token) ? GgufTokenType.Byte : GgufTokenType.Normal);
        }
        foreach (var added in (tokenizer["added_tokens"] as JsonArray ?? []).OfType<JsonObject>())
        {
            bool special = added["special"]?.GetValue<bool>() == true;
            string content = added["content"]!.GetValue<string>();
            Put(added["id"]!.GetValue<int>(), content, IsByte(content) && vocabulary.ContainsKey(content) ? GgufTokenType.Byte
                : content == "<unk>" ? GgufTokenType.Unknown
                : special ? GgufTokenType.Control : GgufTokenType.UserDefined);
        }
        return (tokens, types);

        void Put(int id, string token, GgufTokenType type)
        {
            if (id < 0 || id >= size)
            {
                throw new BadInputException($"token \"{token}\" has the id {id}, but the model has {size} tokens; tokenizer and model do " +
                    "not belong together.");
            }
            (tokens[id], types[id]) = (token, (int)type);
        }
    }

    private static bool IsByte(string token) => token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>';

    // Older files have "a b", newer ones ["a", "b"].
    private static IEnumerable<string> Merges(JsonObject model) => (model["merges"] as JsonArray ?? []).Select(merge =>
        merge is JsonArray pair ? $"{pair[0]!.GetValue<string>()} {pair[1]!.GetValue<string>()}" : merge!.GetValue<string>());

    /// <summary>Scores that give the merges their order: minus the place of the first merge that makes a piece; pieces that none makes come
    /// last.</summary>
    private static float[] Scores(string[] tokens, string[] merges)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < merges.Length; i++)
        {
            places.TryAdd(merges[i].Replace(" ", "", StringComparison.Ordinal), i);
        }
        return Array.ConvertAll(tokens, token => -(float)places.GetValueOrDefault(token, merges.Length));
    }

    private static void AddRoles(GgufMetadata metadata, ModelDirectory directory, ConfigReader config, JsonObject tokenizer,
        string[] tokens)
    {
        var settings = Read(directory, "tokenizer_config.json");
        var named = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (role, key) in Roles)
        {
            string? token = settings?[role + "_token"] switch
            {
                JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
                JsonObject value => value["content"]?.GetValue<string>(),
                _ => null,
            };
            int id = token is null ? -1 : Array.IndexOf(tokens, token);
            if (id < 0 && config.Raw($"{role}_token_id") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out int given))
            {
                id = given;
            }
            if (id >= 0 && id < tokens.Length)
            {
                metadata.Add($"{Keys}{key}_token_id", (uint)id);
                named[role] = tokens[id];
            }
        }
        var (adds, ends) = Around(tokenizer, named);
        foreach (var (role, added) in new[] { ("bos", adds), ("eos", ends) })
        {
            bool? said = settings?[$"add_{role}_token"] is JsonValue flag
                && flag.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? flag.GetValueKind() == JsonValueKind.True : added;
            if (said is { } value)
            {
                metadata.Add($"{Keys}add_{role}_token", value);
            }
        }
        if (ChatTemplateOf(directory, settings) is { } template)
        {
            metadata.Add("tokenizer.chat_template", template);
        }
    }

    /// <summary>Whether the template of tokenizer.json puts the begin and the end token around texts; null without a place for
    /// one.</summary>
    private static (bool? Bos, bool? Eos) Around(JsonObject tokenizer, Dictionary<string, string> named)
    {
        var processor = tokenizer["post_processor"] as JsonObject;
        JsonNode?[] steps = processor?["processors"] is JsonArray several ? [.. several] : [processor];
        var template = steps.OfType<JsonObject>().FirstOrDefault(step => step["type"]?.GetValue<string>() == "TemplateProcessing");
        if (template?["single"] is not JsonArray { Count: > 1 } single)
        {
            return (null, null);
        }
        return (Special(single[0], "bos"), Special(single[^1], "eos"));

        bool? Special(JsonNode? step, string role) =>
            step?["SpecialToken"]?["id"]?.GetValue<string>() is { } token ? token == named.GetValueOrDefault(role) : null;
    }

    private static string? ChatTemplateOf(ModelDirectory directory, JsonObject? settings) =>
        directory.Text("chat_template.jinja")
        ?? (settings?["chat_template"] is JsonValue value && value.GetValueKind() == JsonValueKind.String
            ? value.GetValue<string>() : null);

    private static JsonObject? Read(ModelDirectory directory, string name)
    {
        if (directory.TokenizerFiles.TryGetValue(name, out var made))
        {
            return made;
        }
        if (directory.Text(name) is not { } text)
        {
            return null;
        }
        using var document = JsonFile.Parse(System.Text.Encoding.UTF8.GetBytes(text), Path.Combine(directory.FullPath, name));
        return JsonObject.Create(document.RootElement.Clone());
    }
}
