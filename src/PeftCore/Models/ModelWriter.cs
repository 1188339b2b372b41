using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models.Gguf;
using PeftCore.Models.Quantized;
using PeftCore.Nn;
using PeftCore.Peft.Gguf;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Writes model directories that Hugging Face transformers loads.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// model.AddAdapter(new LoraConfig { Rank = 8 });
/// long bytes = ModelWriter.Save(model.MergeAndUnload(), Path.Combine(outputDirectory, "merged"), modelDirectory);
/// </code>
/// </example>
public static partial class ModelWriter
{
    private const string ConfigName = "config.json";

    // Names of weights in one file: transformers', and diffusers'.
    private const string WeightsName = "model.safetensors", DiffusionName = "diffusion_pytorch_model.safetensors";

    [GeneratedRegex(@"^(diffusion_pytorch_)?model-\d+-of-\d+\.safetensors$")]
    private static partial Regex Shard { get; }

    /// <summary>Saves weights and configuration, and copies tokenizer, preprocessor and generation settings. A model in the directory is
    /// replaced as a whole; other files are kept.</summary>
    /// <param name="model">The model, without adapters.</param>
    /// <param name="directory">The directory; created if missing.</param>
    /// <param name="source">The directory the model was loaded from.</param>
    /// <returns>Bytes of the weights' file.</returns>
    public static long Save(TransformerModel model, string directory, string source)
    {
        ArgumentNullException.ThrowIfNull(model);
        var from = ModelDirectory.Open(source);
        string weights = model is UNet ? DiffusionName : WeightsName;
        long bytes = 0;
        AtomicDirectory.Update(directory, built =>
        {
            ModelCompanions.Copy(from, built);
            var tensors = model.NamedParameters().SelectMany(p => ToFiles(model, p.Path, p.Parameter))
                .Concat(model.Buffers.Select(buffer => ToFile(buffer.Name, buffer.Value)));
            SafetensorsWriter.Write(Path.Combine(built, weights), tensors, new Dictionary<string, string> { ["format"] = "pt" });
            bytes = new FileInfo(Path.Combine(built, weights)).Length;
            JsonFile.Write(Path.Combine(built, ConfigName), ConfigOf(model, from));
        }, IsOwn);
        return bytes;
    }

    /// <summary>Writes a plain model directory from one with quantised weights, one weight at a time: each in the dtype that it had before,
    /// as the files record it.</summary>
    /// <param name="source">The quantised model's directory.</param>
    /// <param name="directory">The directory; created if missing.</param>
    /// <param name="warnings">Receives a sentence for each contradiction in the source.</param>
    /// <returns>Bytes of the weights' file.</returns>
    /// <exception cref="BadInputException">The source is not quantised, or its files are damaged.</exception>
    public static long Dequantize(string source, string directory, ICollection<string>? warnings = null)
    {
        var from = ModelDirectory.Open(source);
        var config = from.OpenConfig();
        using var weights = from.OpenWeights();
        var model = ModelLoader.Declare(config, weights, warnings);
        using var backend = new CpuBackend();
        var tensors = new DequantizedFiles(model, weights, model.StoredQuantization, backend).Tensors();
        long bytes = 0;
        AtomicDirectory.Update(directory, built =>
        {
            ModelCompanions.Copy(from, built);
            string file = Path.Combine(built, model is UNet ? DiffusionName : WeightsName);
            SafetensorsWriter.Write(file, tensors, new Dictionary<string, string> { ["format"] = "pt" });
            bytes = new FileInfo(file).Length;
            JsonFile.Write(Path.Combine(built, ConfigName), SavedQuantization.Without(from.CopyConfig()));
        }, IsOwn);
        return bytes;
    }

    /// <summary>Writes a model, or a LoRA adapter of one, as a GGUF file, as convert_hf_to_gguf.py and convert_lora_to_gguf.py of llama.cpp
    /// do.</summary>
    /// <param name="model">The model's directory; for an adapter, only its configuration is read.</param>
    /// <param name="path">The file; one that exists is replaced.</param>
    /// <param name="adapter">The adapter's directory; null for the model.</param>
    /// <param name="type">The type of matrices: "f32", "f16", "bf16" or "q8_0"; null for "f16", of adapters "f32". Vectors are F32.</param>
    /// <param name="warnings">Receives a sentence for each part that the file lacks.</param>
    /// <returns>Bytes of the file.</returns>
    /// <exception cref="BadInputException">The adapter is no plain LoRA, llama.cpp has no place for a part of it or of the model, or a file
    /// is damaged.</exception>
    public static long ExportGguf(string model, string path, string? adapter = null, string? type = null,
        ICollection<string>? warnings = null)
    {
        if (adapter is null)
        {
            GgufModelExport.Write(model, path, type ?? "f16", warnings);
        }
        else
        {
            GgufAdapterExport.Write(adapter, model, path, type ?? "f32", warnings);
        }
        return new FileInfo(path).Length;
    }

    /// <summary>Whether a file belongs to a model, so that it is removed when the model is replaced.</summary>
    private static bool IsOwn(string name) => name is ConfigName or WeightsName or DiffusionName or WeightsName + ".index.json"
        or DiffusionName + ".index.json" || ModelCompanions.Has(name) || Shard.IsMatch(name);

    /// <summary>A parameter, or the tensors into which files of the family divide it.</summary>
    private static IEnumerable<SafetensorsTensor> ToFiles(TransformerModel model, string path, Parameter parameter) =>
        model.PiecesOf(path) is { } pieces ? pieces.Select(piece => ToFile(piece, parameter))
        : parameter.Value.Format is { } format ? format.QuantizesRows ? EightBitWeight.ToFile(model.FileName(path), parameter.Value)
            : FourBitWeight.ToFile(model.FileName(path), parameter.Value)
        : [ToFile(model.FileName(path), parameter)];

    private static SafetensorsTensor ToFile(WeightPiece piece, Parameter parameter) => ToFile(piece.Name, parameter.Value.DType,
        piece.ShapeIn(parameter.Shape), stream =>
        {
            using var part = piece.Of(parameter.Value);
            part.WriteTo(stream);
        });

    internal static SafetensorsTensor ToFile(string name, Parameter parameter) => ToFile(name, parameter.Value);

    internal static SafetensorsTensor ToFile(string name, Tensor value) =>
        ToFile(name, value.DType, value.Shape, stream => value.WriteTo(stream));

    private static SafetensorsTensor ToFile(string name, DType dtype, Shape shape, Action<Stream> write)
    {
        int[] extents = new int[shape.Rank];
        shape.CopyTo(extents);
        return new SafetensorsTensor(name, dtype.ToString(), Array.ConvertAll(extents, extent => (long)extent), write);
    }

    /// <summary>The source's configuration; a merge may have given a tied head its own table, or the tables more rows.</summary>
    private static JsonNode ConfigOf(TransformerModel model, ModelDirectory from)
    {
        var config = from.CopyConfig();
        SavedQuantization.Write(model, config);
        if (model.ReadsTokens && config["text_config"] is JsonObject text)
        {
            text["vocab_size"] = model.VocabularySize;
        }
        else if (model.ReadsTokens)
        {
            config["vocab_size"] = model.VocabularySize;
        }
        if (model.VocabularyHead is not null)
        {
            config["tie_word_embeddings"] = model.IsTied;
        }
        if (model.HasNewHead)
        {
            NameHead(model, ConfigChecks.ArchitectureOf(from.OpenConfig()), config);
        }
        return config;
    }


    /// <summary>Writes the class of a new head and the names of its classes.</summary>
    private static void NameHead(TransformerModel model, string? source, JsonObject config)
    {
        if (source is not null && TaskSpec.ClassFor(source, model.Task) is { } name)
        {
            config["architectures"] = new JsonArray(JsonValue.Create(name));
        }
        config.Remove("num_labels");
        if (model.Labels.Count > 0)
        {
            config["id2label"] = new JsonObject(model.Labels.Index().Select(label =>
                KeyValuePair.Create(label.Index.ToString(CultureInfo.InvariantCulture), (JsonNode?)JsonValue.Create(label.Item))));
            config["label2id"] = new JsonObject(model.Labels.Index().Select(label =>
                KeyValuePair.Create(label.Item, (JsonNode?)JsonValue.Create(label.Index))));
        }
        if (model.Task is ModelTask.SequenceClassification or ModelTask.ImageClassification)
        {
            config["problem_type"] = model.ProblemType;
        }
    }
}
