using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Audio;

/// <summary>The tiny models of speech among the fixtures, with recordings for them.</summary>
internal static class TinySpeech
{
    public static readonly string[] Names = ["wav2vec2_ctc", "xlsr_ctc", "whisper"];

    public static string DirectoryOf(string name) => TestFiles.Fixture("hf", name, "base");

    public static TransformerModel Load(string name, Backend backend) => ModelLoader.Load(DirectoryOf(name), backend);

    /// <summary>The model with fields of its configuration changed.</summary>
    public static TransformerModel With(string name, Backend backend, params (string Field, string Json)[] fields)
    {
        var config = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(DirectoryOf(name), "config.json")))!.AsObject();
        foreach (var (field, json) in fields)
        {
            config[field] = System.Text.Json.Nodes.JsonNode.Parse(json);
        }
        var model = ModelLoader.Declare(ConfigReader.Parse(config.ToJsonString(), "config.json"));
        ModelLoader.Initialize(model, backend, DType.F32, 3);
        return model;
    }

    /// <summary>Recordings of one length.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="first">Number of the first recording.</param>
    public static InputArrays Arrays(TransformerModel model, int rows, int first = 0)
    {
        var shape = model.InputsOf(0).Sound is { Rank: 2 } spectrogram ? spectrogram : Shape.Of([400]);
        float[] values = [.. Enumerable.Range(first, rows).SelectMany(row => Enumerable.Range(0, (int)shape.Count)
            .Select(i => MathF.Sin(0.37f * i * (1 + row)) + 0.3f * MathF.Cos(1.7f * i)))];
        return new InputArrays
        {
            BatchSize = rows,
            Sound = new DenseArray(values, shape.Rank == 2 ? [rows, shape[0], shape[1]] : [rows, shape[0]]),
        };
    }

    /// <summary>A batch of recordings of the given lengths, in samples; of spectrograms the lengths do not count.</summary>
    public static Batch BatchOf(TransformerModel model, int step = 0, params int[] lengths) => new Collator(0).Collate([.. lengths
        .Select((length, row) =>
        {
            var shape = model.InputsOf(0).Sound is { Rank: 2 } fixedShape ? fixedShape : [length];
            float[] values = [.. Enumerable.Range(0, (int)shape.Count)
                .Select(i => MathF.Sin(0.37f * i * (1 + row) + step) + 0.3f * MathF.Cos(1.7f * i))];
            return Example.Unlabelled([]) with
            {
                Sound = new DenseValues(values, shape),
                TargetIds = [.. Enumerable.Range(0, 2 + row).Select(t => 5 + (7 * t + row + step) % 11)],
                IsTranscript = model.Task == ModelTask.Ctc,
            };
        })]);
}
