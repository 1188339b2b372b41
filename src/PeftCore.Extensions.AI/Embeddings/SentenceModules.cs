using System.Text.Json;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Extensions.AI.Embeddings;

/// <summary>How a directory makes an embedding of hidden states: pooling, then vector modules such as a normalisation; and the prompts and
/// the maximum length of its texts.</summary>
internal sealed class SentenceModules
{
    private const string TransformerConfig = "sentence_bert_config.json";

    /// <summary>The poolings, whose vectors are joined.</summary>
    public required IReadOnlyList<PoolingKind> Poolings { get; init; }

    /// <summary>Whether poolings include the tokens of a prompt.</summary>
    public bool IncludesPrompt { get; init; } = true;

    /// <summary>The modules after the pooling.</summary>
    public required IReadOnlyList<IVectorModule> After { get; init; }

    /// <summary>Maximum tokens of a text; null for the model's.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Whether texts are written in lower case first.</summary>
    public bool LowerCases { get; init; }

    /// <summary>Prompts by name, which are put before texts.</summary>
    public IReadOnlyDictionary<string, string> Prompts { get; init; } = new Dictionary<string, string>();

    /// <summary>The name of the prompt of texts for which the caller names none; null for no prompt.</summary>
    public string? DefaultPrompt { get; init; }

    /// <summary>The directory of the transformer: that of modules.json, or the folder of its first module.</summary>
    public static string ModelDirectoryOf(string directory) => SentenceFiles.Modules(directory) is [(_, var folder), ..]
        ? Path.Combine(directory, folder) : directory;

    /// <summary>Reads a directory. Without modules.json, the pooling is the model's own and nothing comes after it.</summary>
    /// <param name="directory">The directory; null for none.</param>
    /// <param name="model">The model in it.</param>
    /// <param name="pooling">The pooling that the caller asks for; null for that of the directory.</param>
    /// <param name="normalize">Whether the caller asks for vectors of length 1; null for what the directory says.</param>
    /// <exception cref="BadInputException">A file is damaged, or has something that is not supported.</exception>
    public static SentenceModules Read(string? directory, TransformerModel model, string? pooling = null, bool? normalize = null)
    {
        PoolingKind? given = pooling is null ? null : SentenceFiles.PoolingOf(pooling) ?? throw new BadInputException(
            $"pooling is \"{pooling}\", expected {string.Join(", ", SentenceFiles.PoolingNames)}");
        PoolingKind[] kinds = [given ?? (model is CausalModel ? PoolingKind.LastToken : PoolingKind.Mean)];
        bool includesPrompt = true;
        int size = model.HiddenSize;
        List<IVectorModule> after = [];
        var modules = directory is null ? null : SentenceFiles.Modules(directory);
        foreach (var (type, folder) in modules ?? [])
        {
            string path = Path.Combine(directory!, folder);
            switch (KindOf(type, directory!))
            {
                case "Pooling":
                    var (own, includes) = SentenceFiles.Pooling(path, model.HiddenSize);
                    (kinds, includesPrompt) = (given is null ? [.. own] : kinds, includes);
                    size = kinds.Length * model.HiddenSize;
                    break;
                case "Dense":
                    after.Add(new DenseModule(path, size));
                    size = after[^1].Outputs;
                    break;
                case "Normalize" when normalize != false:
                    after.Add(new NormalizeModule(size));
                    break;
            }
        }
        if (normalize == true && after is not [.., NormalizeModule])
        {
            after.Add(new NormalizeModule(size));
        }
        return WithTexts(directory, new SentenceModules { Poolings = kinds, After = after, IncludesPrompt = includesPrompt });
    }

    /// <summary>The embedding of one text.</summary>
    /// <param name="hidden">(T, C): the states of its tokens, padding excluded.</param>
    /// <param name="columns">C.</param>
    /// <param name="promptTokens">Tokens of the prompt before the text.</param>
    public float[] Embed(ReadOnlySpan<float> hidden, int columns, int promptTokens)
    {
        int first = IncludesPrompt ? 0 : promptTokens;
        float[] x = new float[Poolings.Count * columns];
        for (int i = 0; i < Poolings.Count; i++)
        {
            TokenPooling.Pool(Poolings[i], hidden, columns, first).CopyTo(x, i * columns);
        }
        return After.Aggregate(x, (vector, module) => module.Apply(vector));
    }

    /// <summary>Elements of an embedding.</summary>
    public int Size(int columns) => After.Count > 0 ? After[^1].Outputs : Poolings.Count * columns;

    private static string KindOf(string type, string directory)
    {
        string kind = type.Split('.')[^1];
        return type.StartsWith("sentence_transformers.", StringComparison.Ordinal)
            && kind is "Transformer" or "Pooling" or "Dense" or "Normalize" or "Dropout" ? kind
            : throw new BadInputException($"{Path.Combine(directory, "modules.json")}: the module {type} is not supported, expected " +
                "Transformer, Pooling, Dense, Normalize or Dropout of sentence_transformers");
    }

    /// <summary>Adds what the other files say of texts.</summary>
    private static SentenceModules WithTexts(string? directory, SentenceModules modules)
    {
        string? transformer = directory is null ? null : Path.Combine(ModelDirectoryOf(directory), TransformerConfig);
        var config = File.Exists(transformer) ? ConfigReader.Open(transformer) : null;
        if (config is not null)
        {
            CheckTransformer(config, transformer!);
        }
        string? path = directory is null ? null : Path.Combine(directory, "config_sentence_transformers.json");
        var prompts = File.Exists(path) ? ConfigReader.Open(path) : null;
        var named = PromptsOf(prompts, path);
        string? usual = prompts?.StringOrNull("default_prompt_name");
        if (usual is not null && !named.ContainsKey(usual))
        {
            throw new BadInputException($"{path}: default_prompt_name is \"{usual}\", which is not in prompts");
        }
        return new SentenceModules
        {
            Poolings = modules.Poolings,
            IncludesPrompt = modules.IncludesPrompt,
            After = modules.After,
            MaxLength = config?.Raw("max_seq_length") is { ValueKind: JsonValueKind.Number } ? config.Int("max_seq_length", min: 1) : null,
            LowerCases = config?.Bool("do_lower_case", false) ?? false,
            Prompts = named,
            DefaultPrompt = usual,
        };
    }

    private static void CheckTransformer(ConfigReader config, string path)
    {
        // What they say of texts is what is done here; the entries of other media, and of processors, do not concern texts.
        SentenceFiles.RefuseUnknown(config, path, ["max_seq_length", "do_lower_case", "transformer_task", "modality_config",
            "module_output_name", "unpad_inputs"]);
        SentenceFiles.RequireChoice(config, path, "transformer_task", "feature-extraction");
        SentenceFiles.RequireChoice(config, path, "module_output_name", "token_embeddings");
    }

    private static Dictionary<string, string> PromptsOf(ConfigReader? config, string? path)
    {
        var prompts = new Dictionary<string, string>();
        if (config?.Raw("prompts") is { ValueKind: JsonValueKind.Object } entries)
        {
            foreach (var entry in entries.EnumerateObject())
            {
                prompts[entry.Name] = entry.Value.ValueKind == JsonValueKind.String ? entry.Value.GetString()!
                    : throw new BadInputException($"{path}: the prompt \"{entry.Name}\" is no text");
            }
        }
        return prompts;
    }
}
