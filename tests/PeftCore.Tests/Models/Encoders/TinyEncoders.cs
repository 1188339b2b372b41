using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Encoders;

/// <summary>Encoders of a few thousand parameters with random weights, from a configuration as text.</summary>
internal static class TinyEncoders
{
    public const int Vocabulary = 40;

    private const string Sizes = "\"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, " +
        "\"intermediate_size\": 24, \"max_position_embeddings\": 24, \"hidden_dropout_prob\": 0, \"attention_probs_dropout_prob\": 0, " +
        "\"pad_token_id\": 0";

    private static readonly Dictionary<string, string> Further = new(StringComparer.Ordinal)
    {
        ["electra"] = ", \"embedding_size\": 8",
        ["albert"] = ", \"embedding_size\": 8",
        ["deberta-v2"] = ", \"relative_attention\": true, \"pos_att_type\": [\"c2p\", \"p2c\"], \"position_buckets\": 4, " +
            "\"position_biased_input\": false",
        ["modernbert"] = ", \"local_attention\": 4, \"global_attn_every_n_layers\": 2",
    };

    public static ConfigReader Config(string type, string further = "") => ConfigReader.Parse(type == "distilbert"
        ? "{\"model_type\": \"distilbert\", \"vocab_size\": 40, \"dim\": 16, \"n_layers\": 2, \"n_heads\": 2, \"hidden_dim\": 24, " +
            $"\"max_position_embeddings\": 24, \"dropout\": 0, \"attention_dropout\": 0, \"pad_token_id\": 0{further}}}"
        : $"{{\"model_type\": \"{type}\", {Sizes}{Further.GetValueOrDefault(type, "")}{further}}}", "config.json");

    /// <summary>The text of a configuration with one field added or replaced.</summary>
    public static string Text(string type, string field)
    {
        var json = (JsonObject)JsonNode.Parse($"{{\"model_type\": \"{type}\", {Sizes}{Further.GetValueOrDefault(type, "")}}}")!;
        foreach (var (name, value) in (JsonObject)JsonNode.Parse($"{{{field}}}")!)
        {
            json[name] = value?.DeepClone();
        }
        return json.ToJsonString();
    }

    public static TransformerModel Model(Backend backend, string type, TaskOptions? task = null, string further = "", int scale = 8)
    {
        var model = ModelLoader.Declare(Config(type, further), task: task);
        ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
        // Weights large enough that attention is far from uniform.
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Parameter.Shape.Rank == 2))
        {
            backend.Scale(parameter.Value, scale, parameter.Value, false);
        }
        return model;
    }

    public static TaskOptions Task(ModelTask task, int labels = 3) => new()
    {
        Task = task,
        Labels = [.. Enumerable.Range(0, labels).Select(i => $"L{i}")],
    };

    public static int[] Ids(int batch, int length, int seed = 3) =>
        [.. Enumerable.Range(0, batch * length).Select(i => 2 + (i * 11 + seed) % (Vocabulary - 2))];
}
