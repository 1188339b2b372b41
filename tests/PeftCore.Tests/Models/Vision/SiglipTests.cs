using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Vision;

/// <summary>SigLIP's tower of pictures, and its attention pooling against loops in double precision.</summary>
public sealed class SiglipTests : CpuTests
{
    private const int Columns = 32, Patches = 4, Heads = 4;

    [Test]
    public void A_picture_is_what_a_probe_reads_of_its_patches()
    {
        var model = New();
        var outputs = model.Outputs(model.ToInputs(TinyPictures.Batch("siglip_vision_model", [], rows: 2)));
        Assert.That(outputs.Select(output => (output.Name, output.Value.Shape)), Is.EqualTo(new[]
        {
            ("last_hidden_state", Shape.Of(2, Patches, Columns)), ("pooler_output", Shape.Of(2, Columns))
        }));
        double[] hidden = Doubles(outputs[0].Value), expected = Pool(ValuesOf(model), hidden, rows: 2);
        Assert.That(Doubles(outputs[1].Value), Is.EqualTo(expected).Within(2e-5));
        Assert.That(model.Logits(model.ToInputs(TinyPictures.Batch("siglip_vision_model", [], rows: 2))).ToFloats(),
            Is.EqualTo(outputs[1].Value.ToFloats()), "the embedding of a picture");
    }

    [Test]
    public void The_gradients_of_attention_pooling_are_those_of_differences()
    {
        var model = New();
        model.SetRequiresGrad(true);
        var inputs = model.ToInputs(TinyPictures.Batch("siglip_vision_model", [], rows: 2));
        double[] hidden = Doubles(model.Hidden(inputs)), weights = Array.ConvertAll(Kernels.Numbers.Random(3, 2 * Columns), x => (double)x);
        using (var tape = new Tape())
        {
            var pooled = model.Logits(inputs);
            tape.Backward((pooled * Cpu.From(Array.ConvertAll(weights, w => (float)w), pooled.Shape)).Sum());
        }
        var values = ValuesOf(model);
        foreach (var (path, parameter) in model.NamedParameters().Where(p => p.Path.StartsWith("vision_model.head.", StringComparison.Ordinal)))
        {
            float[] gradient = parameter.Gradient!.ToFloats();
            double scale = Math.Max(1e-3, gradient.Max(Math.Abs));
            foreach (int i in (int[])[0, gradient.Length / 3, gradient.Length / 2, gradient.Length - 1])
            {
                const double Step = 1e-5;
                double at = values[path][i], expected = (Loss(at + Step) - Loss(at - Step)) / (2 * Step);
                values[path][i] = at;
                Assert.That(gradient[i], Is.EqualTo(expected).Within(1e-4 * scale), $"{path}[{i}]");

                double Loss(double value)
                {
                    values[path][i] = value;
                    return Pool(values, hidden, rows: 2).Zip(weights, (y, w) => y * w).Sum();
                }
            }
        }
    }

    [Test]
    public void A_classifier_reads_the_mean_of_all_patches_and_takes_its_tower_from_files_with_both()
    {
        var model = TinyPictures.Model(Cpu, "siglip");
        var inputs = model.ToInputs(TinyPictures.Batch("siglip", [], rows: 2));
        float[] hidden = model.Hidden(inputs).ToFloats(), logits = model.Logits(inputs).ToFloats();
        float[] weight = model.NamedParameters().Single(p => p.Path == "classifier.weight").Parameter.Value.ToFloats();
        float[] expected = [.. from row in Enumerable.Range(0, 2)
                               from label in Enumerable.Range(0, 3)
                               select (float)Enumerable.Range(0, Columns).Sum(c => weight[label * Columns + c]
                                   * Enumerable.Range(0, Patches).Average(patch => (double)hidden[(row * Patches + patch) * Columns + c]))];
        Assert.That(Fixtures.Error(logits, expected), Is.LessThan(1e-5));

        using var directory = new TemporaryDirectory();
        string source = TinyPictures.Directory("siglip");
        File.WriteAllText(directory["config.json"], File.ReadAllText(Path.Combine(source, "config.json"))
            .Replace("SiglipForImageClassification", "SiglipModel", StringComparison.Ordinal));
        using (var weights = WeightSource.OpenFile(Path.Combine(source, "model.safetensors")))
        {
            var others = new[] { "text_model.final_layer_norm.weight", "logit_scale", "logit_bias", "vision_model.head.probe" }
                .Select(name => weights.Get("classifier.bias").ToFile(name));
            SafetensorsWriter.Write(directory["model.safetensors"],
                weights.Names.Where(name => !name.StartsWith("classifier", StringComparison.Ordinal))
                    .Select(name => weights.Get(name).ToFile(name)).Concat(others), new Dictionary<string, string>());
        }
        var warnings = new List<string>();
        var task = new TaskOptions { Task = ModelTask.ImageClassification, Labels = ["a", "b"] };
        var loaded = ModelLoader.Load(directory.FullPath, Cpu, warnings: warnings, task: task);
        Assert.That(warnings.Single(), Does.Contain("classifier.weight").And.Contain("random until"));
        Assert.That(loaded.Hidden(loaded.ToInputs(TinyPictures.Batch("siglip", [], rows: 2))).ToFloats(), Is.EqualTo(hidden));
        loaded.Dispose();
    }

    [Test]
    public void Positions_are_interpolated_where_that_is_asked_for()
    {
        var model = TinyPictures.Model(Cpu, "siglip", new TaskOptions { InterpolatePositions = true });
        var inputs = model.ToInputs(new InputArrays { BatchSize = 2, Pixels = TinyPictures.Pixels(2, 16, 12) });
        Assert.That(model.Hidden(inputs).Shape, Is.EqualTo(Shape.Of(2, 4 * 3, Columns)));
    }

    [Test]
    public void Both_towers_together_are_refused() => Assert.That(
        () => ModelLoader.Declare(TinyPictures.Config("siglip", "\"architectures\": [\"SiglipModel\"]")),
        Throws.TypeOf<BadInputException>().With.Message.Contains("siglip models here are for image-cls"));

    private TransformerModel New()
    {
        var model = TinyPictures.Model(Cpu, "siglip_vision_model");
        int number = 0; // Biases start at zero, the probe and norms at their own values.
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Path.StartsWith("vision_model.head.", StringComparison.Ordinal)))
        {
            parameter.Value.Upload(Kernels.Numbers.Random(number++, (int)parameter.Shape.Count, 0.5f));
        }
        return model;
    }

    private static Dictionary<string, double[]> ValuesOf(TransformerModel model) =>
        model.NamedParameters().ToDictionary(p => p.Path, p => Doubles(p.Parameter.Value));

    private static double[] Doubles(Tensor tensor) => Array.ConvertAll(tensor.ToFloats(), value => (double)value);

    /// <summary>The pooling by its definition: attention of the probe to the patches, head by head, then the network on its norm.</summary>
    private static double[] Pool(Dictionary<string, double[]> values, double[] hidden, int rows)
    {
        double[] Of(string name) => values["vision_model.head." + name];
        double[] inWeight = Of("attention.in_proj_weight"), inBias = Of("attention.in_proj_bias");
        double[] Project(int part, ReadOnlySpan<double> x) =>
            Linear(inWeight.AsSpan(part * Columns * Columns, Columns * Columns), inBias.AsSpan(part * Columns, Columns), x);
        double[] query = Project(0, Of("probe"));
        double[] pooled = new double[rows * Columns];
        const int Dim = Columns / Heads;
        for (int row = 0; row < rows; row++)
        {
            double[][] keys = new double[Patches][], states = new double[Patches][];
            for (int patch = 0; patch < Patches; patch++)
            {
                var x = hidden.AsSpan((row * Patches + patch) * Columns, Columns);
                (keys[patch], states[patch]) = (Project(1, x), Project(2, x));
            }
            double[] y = new double[Columns];
            for (int head = 0; head < Heads; head++)
            {
                double[] scores = [.. keys.Select(key =>
                    Math.Exp(Enumerable.Range(head * Dim, Dim).Sum(c => query[c] * key[c]) / Math.Sqrt(Dim)))];
                for (int c = head * Dim; c < (head + 1) * Dim; c++)
                {
                    y[c] = scores.Select((score, patch) => score * states[patch][c]).Sum() / scores.Sum();
                }
            }
            y = Linear(Of("attention.out_proj.weight"), Of("attention.out_proj.bias"), y);
            double mean = y.Average(), deviation = Math.Sqrt(y.Average(value => (value - mean) * (value - mean)) + 1e-6);
            double[] gain = Of("layernorm.weight"), shift = Of("layernorm.bias");
            double[] normed = [.. y.Select((value, c) => (value - mean) / deviation * gain[c] + shift[c])];
            double[] inner = Array.ConvertAll(Linear(Of("mlp.fc1.weight"), Of("mlp.fc1.bias"), normed), GeluTanh);
            double[] network = Linear(Of("mlp.fc2.weight"), Of("mlp.fc2.bias"), inner);
            for (int c = 0; c < Columns; c++)
            {
                pooled[row * Columns + c] = y[c] + network[c];
            }
        }
        return pooled;
    }

    private static double[] Linear(ReadOnlySpan<double> weight, ReadOnlySpan<double> bias, ReadOnlySpan<double> x)
    {
        double[] y = bias.ToArray();
        for (int i = 0; i < y.Length; i++)
        {
            for (int j = 0; j < x.Length; j++)
            {
                y[i] += weight[i * x.Length + j] * x[j];
            }
        }
        return y;
    }

    private static double GeluTanh(double x) => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}
