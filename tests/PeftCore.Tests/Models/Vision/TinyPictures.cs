using System.Text.Json.Nodes;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Vision;

/// <summary>Models of pictures and documents of a few thousand parameters with random weights, and their batches.</summary>
internal static class TinyPictures
{
    public const int Side = 8;
    /// <summary>The name here of CLIP with a classifier.</summary>
    public const string ClipClassifier = "clip_classifier";

    private const int Channels = 3;

    private static readonly string[] OfPicturesAlone = ["vit", "dinov2", ClipClassifier, "siglip", "siglip_vision_model"];

    private const string Sizes = "\"hidden_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"intermediate_size\": 64",
        Picture = "\"image_size\": 8, \"patch_size\": 4",
        Words = "\"vocab_size\": 97, \"max_position_embeddings\": 40, \"max_2d_position_embeddings\": 64, \"hidden_dropout_prob\": 0, " +
            "\"attention_probs_dropout_prob\": 0, \"num_labels\": 3";

    private static readonly Dictionary<string, string> Texts = new(StringComparer.Ordinal)
    {
        ["vit"] = $"\"architectures\": [\"ViTForImageClassification\"], {Sizes}, {Picture}, \"num_labels\": 3",
        ["dinov2"] = $"\"architectures\": [\"Dinov2ForImageClassification\"], {Sizes}, {Picture}, \"mlp_ratio\": 2, \"num_labels\": 3",
        ["clip"] = "\"architectures\": [\"CLIPModel\"], \"projection_dim\": 24, " +
            $"\"text_config\": {{{Sizes}, \"vocab_size\": 97, \"max_position_embeddings\": 40, \"eos_token_id\": 9}}, " +
            $"\"vision_config\": {{{Sizes}, {Picture}}}",
        [ClipClassifier] = "\"architectures\": [\"CLIPForImageClassification\"], \"projection_dim\": 24, \"num_labels\": 3, " +
            $"\"text_config\": {{{Sizes}, \"vocab_size\": 97}}, \"vision_config\": {{{Sizes}, {Picture}}}",
        ["siglip"] = "\"architectures\": [\"SiglipForImageClassification\"], \"num_labels\": 3, " +
            $"\"vision_config\": {{{Sizes}, {Picture}, \"hidden_act\": \"gelu_pytorch_tanh\"}}",
        ["siglip_vision_model"] = $"\"architectures\": [\"SiglipVisionModel\"], {Sizes}, {Picture}",
        ["layoutlm"] = $"\"architectures\": [\"LayoutLMForTokenClassification\"], {Sizes}, {Words}, \"pad_token_id\": 0",
        ["layoutlmv3"] = $"\"architectures\": [\"LayoutLMv3ForTokenClassification\"], {Sizes}, {Words}, \"input_size\": 8, " +
            "\"patch_size\": 4, \"coordinate_size\": 5, \"shape_size\": 6, \"rel_pos_bins\": 8, \"rel_2d_pos_bins\": 8, " +
            "\"max_rel_pos\": 16, \"max_rel_2d_pos\": 32, \"type_vocab_size\": 2, \"pad_token_id\": 1",
        ["unet"] = "\"in_channels\": 3, \"out_channels\": 3, \"sample_size\": 8, \"block_out_channels\": [8, 16], " +
            "\"layers_per_block\": 1, \"down_block_types\": [\"CrossAttnDownBlock2D\", \"DownBlock2D\"], " +
            "\"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlock2D\"], \"attention_head_dim\": 2, " +
            $"\"cross_attention_dim\": {TextColumns}, \"norm_num_groups\": 4",
    };

    private const int TextColumns = 8, TextTokens = 3;

    private static readonly Dictionary<string, Lazy<string>> Directories =
        Texts.Keys.ToDictionary(type => type, type => new Lazy<string>(() => Write(type)), StringComparer.Ordinal);

    /// <summary>A configuration, with some fields added or replaced.</summary>
    public static ConfigReader Config(string type, string further = "")
    {
        var json = (JsonObject)JsonNode.Parse(TextOf(type))!;
        foreach (var (name, value) in (JsonObject)JsonNode.Parse($"{{{further}}}")!)
        {
            json[name] = value?.DeepClone();
        }
        return ConfigReader.Parse(json.ToJsonString(), "config.json");
    }

    public static TransformerModel Model(Backend backend, string type, TaskOptions? task = null, string further = "")
    {
        var model = ModelLoader.Declare(Config(type, further), task: task);
        ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
        // Weights large enough that attention is far from uniform.
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Parameter.Shape.Rank == 2))
        {
            backend.Scale(parameter.Value, 4, parameter.Value, false);
        }
        return model;
    }

    /// <summary>The directory of a saved model.</summary>
    public static string Directory(string type) => Directories[type].Value;

    /// <summary>A batch of pictures, with texts and boxes where the model reads them.</summary>
    /// <param name="type">The family.</param>
    /// <param name="ids">(rows, T); ignored by models that read no tokens.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="first">Number of the first picture.</param>
    public static InputArrays Batch(string type, int[] ids, int rows, int first = 0)
    {
        bool reads = type != "unet" && !OfPicturesAlone.Contains(type);
        return new InputArrays
        {
            Timesteps = type == "unet" ? [.. Enumerable.Range(first, rows).Select(row => 17 + 300 * row)] : null,
            EncoderStates = type == "unet" ? StatesOf(rows, first) : null,
            Ids = reads ? ids : [],
            BatchSize = rows,
            Pixels = type == "layoutlm" ? null : Pixels(rows, Side, Side, first: first),
            Boxes = type.StartsWith("layoutlm", StringComparison.Ordinal) ? Boxes(ids) : null,
        };
    }

    public static DenseArray Pixels(int rows, int height, int width, int channels = Channels, int first = 0) =>
        new([.. Enumerable.Range(first * channels * height * width, rows * channels * height * width).Select(Noise)],
            [rows, channels, height, width]);

    /// <summary>The hidden states of texts.</summary>
    private static DenseArray StatesOf(int rows, int first) => new(
        [.. Enumerable.Range(first * TextTokens * TextColumns, rows * TextTokens * TextColumns).Select(Noise)],
        [rows, TextTokens, TextColumns]);

    /// <summary>A box for each token.</summary>
    public static int[] Boxes(int[] ids) => [.. ids.SelectMany(id => new[] { id % 30, id % 20, id % 30 + id % 7, id % 20 + id % 9 })];

    /// <summary>A sample of a data set.</summary>
    public static Example Sample(string type, int number, int tokens)
    {
        int[] ids = OfPicturesAlone.Contains(type) ? [] : [.. Enumerable.Range(0, tokens).Select(t => 2 + (number * 31 + t * 5) % 90)];
        bool tags = type.StartsWith("layoutlm", StringComparison.Ordinal);
        return new Example(ids, [.. ids.Select(id => tags ? id % 3 : Example.Masked)])
        {
            LabelsInPlace = tags,
            ClassLabel = OfPicturesAlone.Contains(type) ? number % 3 : -1,
            IsPair = type == "clip",
            Boxes = tags ? Boxes(ids) : null,
            Pixels = type == "layoutlm" ? null : new DenseValues(Pixels(1, Side, Side, first: number).Values, [Channels, Side, Side]),
        };
    }

    private static string TextOf(string type) =>
        type == "unet" ? $"{{\"_class_name\": \"UNet2DConditionModel\", {Texts[type]}}}"
        : $"{{\"model_type\": \"{(type == ClipClassifier ? "clip" : type)}\", {Texts[type]}}}";

    private static float Noise(int i) => MathF.Sin(i * 12.9898f + 4.1414f) * 1.3f;

    private static string Write(string type)
    {
        string directory = Path.Combine(TestContext.CurrentContext.WorkDirectory, "tiny-pictures", type);
        System.IO.Directory.CreateDirectory(directory);
        string config = Path.Combine(directory, "config.json");
        File.WriteAllText(config, TextOf(type));
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var model = Model(backend, type);
        ModelWriter.Save(model, directory, directory);
        model.Dispose();
        return directory;
    }
}
