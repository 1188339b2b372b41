using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Models;

/// <summary>The class embeddings of a UNet. A class embedding c changes what the blocks read of the step from t to t + c, as a bias of c at
/// the time embedding does: a model without classes, which the fixture checks, is the reference, with c computed here in double
/// precision.</summary>
public sealed class UNetClassTests : CpuTests
{
    private const int Time = 32, Vector = 5;

    private const string Config = """
        {"_class_name": "UNet2DConditionModel", "sample_size": 8, "block_out_channels": [8, 16], "layers_per_block": 1,
         "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
         "attention_head_dim": 2, "cross_attention_dim": 6, "norm_num_groups": 4
        """;

    private const string Concat = ", \"class_embeddings_concat\": true";

    private static readonly float[] Vectors = Kernels.Numbers.Random(9, 2 * Time);

    private static IEnumerable<TestCaseData> Kinds()
    {
        string[] fields = ["\"num_class_embeds\": 4", "\"class_embed_type\": \"timestep\"", "\"class_embed_type\": \"identity\"",
            $"\"class_embed_type\": \"projection\", \"projection_class_embeddings_input_dim\": {Vector}",
            $"\"class_embed_type\": \"simple_projection\", \"projection_class_embeddings_input_dim\": {Vector}"];
        return from concat in new[] { "", Concat }
               from field in fields
               select new TestCaseData(", " + field + concat).SetArgDisplayNames(field.Replace('"', ' ') + concat.Replace('"', ' '));
    }

    [TestCaseSource(nameof(Kinds))]
    public void A_class_changes_the_prediction_as_its_embedding_does_at_the_time_embedding(string fields)
    {
        var model = New(fields);
        float[] both = Run(model, Arrays(model, [0, 1]));
        for (int row = 0; row < 2; row++)
        {
            float[] alone = Run(Reference(model, row), Arrays(null, [row]));
            Assert.That(both.Skip(row * alone.Length).Take(alone.Length), Is.EqualTo(alone).Within(2e-5f), $"row {row}");
        }
        Assert.That(Run(model, Arrays(model, [1], sampleOf: 0)), Is.Not.EqualTo(both.Take(both.Length / 2)).Within(1e-3f));
    }

    [TestCaseSource(nameof(Kinds))]
    public void The_gradients_of_the_class_embedding_are_those_of_the_chain_rule(string fields)
    {
        var model = New(fields);
        var reference = Reference(model, row: 1);
        var gradients = Gradients(model, Arrays(model, [1]));
        var ofReference = Gradients(reference, Arrays(null, [1]));

        double[] embedding = NaiveOf(model, 1).Embedding;
        double[] g = fields.EndsWith(Concat, StringComparison.Ordinal) ? new double[Time] : ofReference["time_embedding.linear_2.bias"];
        if (fields.EndsWith(Concat, StringComparison.Ordinal))
        {
            // y = b + W·σ(t, c) of each residual block: dL/dc = Σ W₂ᵀ·dL/db · σ'(c).
            foreach (var (path, parameter) in model.NamedParameters().Where(p => p.Path.EndsWith("time_emb_proj.weight", StringComparison.Ordinal)))
            {
                float[] w = parameter.Value.ToFloats();
                double[] ofBias = ofReference[path.Replace("weight", "bias", StringComparison.Ordinal)];
                for (int j = 0; j < Time; j++)
                {
                    for (int i = 0; i < ofBias.Length; i++)
                    {
                        g[j] += w[i * 2 * Time + Time + j] * ofBias[i] * NaiveClassEmbedding.SiluSlope(embedding[j]);
                    }
                }
            }
        }
        var naive = NaiveOf(model, 1).Backward(g);
        foreach (var (path, expected) in naive)
        {
            double scale = Math.Max(expected.Max(Math.Abs), 1e-4);
            Assert.That(gradients[path], Is.EqualTo(expected).Within(1e-4 * scale), path);
        }
        Assert.That(gradients.Keys.Where(path => path.StartsWith("class_embedding", StringComparison.Ordinal)),
            Is.EquivalentTo(naive.Keys));
    }

    [Test]
    public void A_centered_sample_is_read_as_twice_itself_less_one()
    {
        var plain = New("");
        var centered = New(", \"center_input_sample\": true");
        var arrays = Arrays(null, [0, 1]);
        float[] moved = [.. arrays.Pixels!.Values.Select(x => 2 * x - 1)];
        Assert.That(Run(centered, arrays), Is.EqualTo(Run(plain, arrays.With("sample", moved, 2, 4, 8, 8))).Within(1e-6f));
    }

    [Test]
    public void A_step_with_classes_takes_what_is_planned_and_a_lora_adapts_the_projection()
    {
        ITrainable Build(Backend backend)
        {
            var model = ModelLoader.Declare(ConfigReader.Parse(
                $"{Config}, \"class_embed_type\": \"projection\", \"projection_class_embeddings_input_dim\": {Vector}}}", "config.json"));
            ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
            var peft = new PeftModel(model);
            peft.AddAdapter(new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Of("class_embedding.linear_1", "to_q") });
            return new TrainableAdapter(peft);
        }
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 2, 8, options);
        using var tensors = new TensorScope();
        using var cpu = new CpuBackend(1);
        var trainable = Build(cpu);
        using var optimizer = options.NewOptimizer(trainable);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, options.MaxGradNorm));
        var batch = MemoryPlan.FullBatch(trainable.Model, 2, 8);
        double first = step.Run([batch], 1e-2).Loss;
        Assert.That(plan.PeakBytes, Is.EqualTo(cpu.Memory.PeakBytes).Within(1).Percent);
        Assert.That(step.Run([batch], 1e-2, 1, 1).Loss, Is.LessThan(first * 1.01));
        Assert.That(trainable.Parameters.Select(p => p.Name), Has.Some.Contains("class_embedding.linear_1"));
    }

    [TestCase("\"class_embed_type\": \"text\"", "\"class_embed_type\" is \"text\", which is not supported; expected timestep,")]
    [TestCase("\"class_embed_type\": \"projection\"", "projection_class_embeddings_input_dim")]
    [TestCase("\"class_embeddings_concat\": true", "\"class_embeddings_concat\" is true, but there is no class to concatenate")]
    public void A_configuration_that_cannot_be_is_refused(string field, string expected) =>
        Assert.That(() => New(", " + field), Throws.TypeOf<BadInputException>().With.Message.Contains(expected));

    [TestCase("\"class_embed_type\": \"timestep\", \"num_class_embeds\": 3", "num_class_embeds")]
    [TestCase("\"num_class_embeds\": 3, \"projection_class_embeddings_input_dim\": 3", "projection_class_embeddings_input_dim")]
    public void A_field_without_effect_is_warned_of(string fields, string name)
    {
        var warnings = new List<string>();
        ModelLoader.Declare(ConfigReader.Parse($"{Config}, {fields}}}", "config.json"), warnings);
        Assert.That(warnings, Has.Some.Contains($"\"{name}\" has no effect"));
    }

    [Test]
    public void Classes_that_do_not_fit_the_model_are_refused()
    {
        string Message(string fields, float[]? classes)
        {
            var arrays = Arrays(null, [0, 1]);
            arrays = classes is null ? arrays : arrays.With("class_labels", classes, 2, classes.Length / 2);
            return Assert.Throws<BadInputException>(() => New(fields).ToInputs(arrays)).Message;
        }
        Assert.That(Message("", [0, 1]), Does.Contain("reads no classes"));
        Assert.That(Message(", \"num_class_embeds\": 4", null), Does.Contain("a number from 0 to 3, which the batch does not have"));
        Assert.That(Message(", \"num_class_embeds\": 4", [0, 4]), Does.Contain("4 is no class of this UNet; expected 0 to 3"));
        Assert.That(Message(", \"num_class_embeds\": 4", [0, 0.5f]), Does.Contain("0.5 is not a whole number"));
        Assert.That(Message(", \"class_embed_type\": \"identity\"", [0, 1]), Does.Contain("a vector of 32 numbers").And.Contain("has 1 numbers"));
    }

    private TransformerModel New(string fields)
    {
        var model = ModelLoader.Declare(ConfigReader.Parse($"{Config}{fields}}}", "config.json"));
        ModelLoader.Initialize(model, Cpu, DType.F32, seed: 5);
        int number = 100; // Biases start at zero.
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Path.StartsWith("class_embedding", StringComparison.Ordinal)))
        {
            parameter.Value.Upload(Kernels.Numbers.Random(number++, (int)parameter.Shape.Count, 0.5f));
        }
        model.SetRequiresGrad(true);
        return model;
    }

    /// <summary>A model without classes that computes what <paramref name="model"/> does for the class of a row.</summary>
    private TransformerModel Reference(TransformerModel model, int row)
    {
        var reference = New("");
        var values = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value.ToFloats());
        double[] embedding = NaiveOf(model, row).Embedding;
        foreach (var (path, parameter) in reference.NamedParameters())
        {
            float[] own = values[path];
            if (own.Length == 2 * parameter.Shape.Count) // W = (W₁, W₂)
            {
                own = [.. own.Chunk(2 * Time).SelectMany(line => line.Take(Time))];
            }
            else if (path.EndsWith("time_emb_proj.bias", StringComparison.Ordinal)
                && values[path.Replace("bias", "weight", StringComparison.Ordinal)] is var w && w.Length == own.Length * 2 * Time)
            {
                double Part(int i) => embedding.Select((c, j) => w[i * 2 * Time + Time + j] * NaiveClassEmbedding.Silu(c)).Sum();
                own = [.. own.Select((b, i) => (float)(b + Part(i)))];
            }
            else if (path == "time_embedding.linear_2.bias" && model is UNet { Config.ConcatenatesClass: false })
            {
                own = [.. own.Select((b, i) => (float)(b + embedding[i]))];
            }
            parameter.Value.Upload(own);
        }
        return reference;
    }

    /// <summary>Rows of a batch of two.</summary>
    private static InputArrays Arrays(TransformerModel? classes, int[] rows, int? sampleOf = null)
    {
        float[] sample = Kernels.Numbers.Random(1, 2 * 4 * 64), text = Kernels.Numbers.Random(2, 2 * 3 * 6);
        float[] Of(float[] all, int row) => [.. all.Skip(row * all.Length / 2).Take(all.Length / 2)];
        var arrays = new InputArrays { BatchSize = rows.Length }
            .With("sample", rows.SelectMany(row => Of(sample, sampleOf ?? row)).ToArray(), rows.Length, 4, 8, 8)
            .With("timestep", rows.Select(row => 17f + 400 * (sampleOf ?? row)).ToArray(), rows.Length)
            .With("encoder_hidden_states", rows.SelectMany(row => Of(text, sampleOf ?? row)).ToArray(), rows.Length, 3, 6);
        return classes is null ? arrays : arrays.With("class_labels", rows.SelectMany(row => LabelOf(classes, row)).ToArray(),
            rows.Length, LabelOf(classes, 0).Length);
    }

    private static float[] LabelOf(TransformerModel model, int row) => ((UNet)model).Config.Classes! is { IsNumber: false } vectors
        ? Vectors[(row * vectors.Size)..((row + 1) * vectors.Size)] : [row == 0 ? 3 : 1];

    private static NaiveClassEmbedding NaiveOf(TransformerModel model, int row) => new(((UNet)model).Config.Classes!, LabelOf(model, row),
        model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value.ToFloats()));

    private static float[] Run(TransformerModel model, InputArrays arrays)
    {
        using var scope = new TensorScope();
        return Tape.NoGrad(() => model.Logits(model.ToInputs(arrays))).ToFloats();
    }

    private static Dictionary<string, double[]> Gradients(TransformerModel model, InputArrays arrays)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        tape.Backward(model.Loss(model.ToInputs(arrays), model.ToTargets(Kernels.Numbers.Random(4, 4 * 64), 1)));
        var gradients = model.NamedParameters().ToDictionary(p => p.Path,
            p => Array.ConvertAll(p.Parameter.Gradient!.ToFloats(), value => (double)value));
        foreach (var (_, parameter) in model.NamedParameters())
        {
            parameter.Value.FreeGradient();
        }
        return gradients;
    }
}
