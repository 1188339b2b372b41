using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.PublicApi.Tests;

/// <summary>A model directory of the sample family, and helpers of the tests.</summary>
internal sealed class Workbench : IDisposable
{
    private const string Config = """
        {
          "architectures": ["TinyDecoderForCausalLM"], "model_type": "tiny_decoder", "vocab_size": 32, "hidden_size": 16,
          "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 24, "tie_word_embeddings": true
        }
        """;

    private readonly string _root = Directory.CreateTempSubdirectory("peftcore-public-").FullName;

    public Workbench()
    {
        string source = Path.Combine(Directory.CreateDirectory(this["declared"]).FullName, "config.json");
        File.WriteAllText(source, Config);
        using var model = ModelLoader.Declare(ConfigReader.Open(source));
        ModelLoader.Initialize(model, Backend, DType.F32, seed: 3);
        ModelWriter.Save(model, this["model"], this["declared"]);
    }

    public CpuBackend Backend { get; } = new(1);

    public string this[string name] => Path.Combine(_root, name);

    public PeftModel Load() => new(ModelLoader.Load(this["model"], Backend));

    /// <summary>Trains the active adapter to count upwards.</summary>
    /// <returns>The loss of the first and of the last step.</returns>
    public static (double First, double Last) Train(PeftModel model, int steps)
    {
        var examples = Enumerable.Range(0, 8).Select(i => Enumerable.Range(i, 12).ToArray()).Select(ids => new Example(ids, ids)).ToList();
        var losses = new List<double>();
        var trainer = new Trainer(model, new TrainerOptions { LearningRate = 2e-2, MaxSteps = steps, LoggingSteps = 1 },
            new DataLoader(examples, new LoaderOptions { BatchSize = 4, PadId = 0 }));
        trainer.StepDone += progress => losses.Add(progress.Loss);
        trainer.Run();
        return (losses[0], losses[^1]);
    }

    public float[] Logits(PeftModel model) => Logits(model.Base);

    public float[] Logits(TransformerModel model)
    {
        using var scope = new TensorScope();
        return model.Logits(ModelInputs.From(Backend, [1, 2, 3, 4, 9, 8, 7, 6], batch: 2)).ToFloats();
    }

    public void Dispose()
    {
        Backend.Dispose();
        Directory.Delete(_root, recursive: true);
    }
}
