using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Tests.Nn;
using PeftCore.Training;

namespace PeftCore.Tests.Models.EncoderDecoders;

/// <summary>Encoder-decoders that classify texts and tokens, find answers, and give features.</summary>
public sealed class Seq2SeqHeadTests
{
    private const int End = 2;

    private static readonly int[] Ids = [5, 9, 4, End, 7, 3, End, 1]; // (2, 4), the last token of row 2 is padding
    private static readonly int[] Mask = [1, 1, 1, 1, 1, 1, 1, 0];

    private CpuBackend _backend;
    private TensorScope _scope;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(2, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [TestCase("bart", ModelTask.SequenceClassification, "model.shared.weight model.encoder. model.decoder. classification_head.dense.weight " +
        "classification_head.dense.bias classification_head.out_proj.weight classification_head.out_proj.bias")]
    [TestCase("mbart", ModelTask.QuestionAnswering, "model.shared.weight model.encoder. model.decoder. qa_outputs.weight qa_outputs.bias")]
    [TestCase("t5", ModelTask.SequenceClassification, "transformer.shared.weight transformer.encoder. transformer.decoder. " +
        "classification_head.dense.weight classification_head.dense.bias classification_head.out_proj.weight classification_head.out_proj.bias")]
    [TestCase("mt5", ModelTask.QuestionAnswering, "shared.weight encoder. decoder. qa_outputs.weight qa_outputs.bias")]
    [TestCase("t5", ModelTask.TokenClassification, "transformer.shared.weight transformer.encoder. classifier.weight classifier.bias")]
    [TestCase("t5", ModelTask.FeatureExtraction, "shared.weight encoder.")]
    public void Parameters_have_the_names_of_transformers(string family, ModelTask task, string names)
    {
        string[] expected = names.Split(' ');
        string[] paths = [.. Model(family, task).NamedParameters().Select(p => p.Path)];
        bool Fits(string path, string name) => name.EndsWith('.') ? path.StartsWith(name, StringComparison.Ordinal) : path == name;
        Assert.That(paths.Where(path => !expected.Any(name => Fits(path, name))), Is.Empty);
        Assert.That(expected.Where(name => !paths.Any(path => Fits(path, name))), Is.Empty);
    }

    [TestCase("bart")]
    [TestCase("mbart")]
    [TestCase("t5")]
    public void A_text_is_classified_by_the_decoders_state_of_its_last_end(string family)
    {
        var model = Model(family, ModelTask.SequenceClassification);
        var inputs = model.ToInputs(new InputArrays { Ids = Ids, BatchSize = 2, Mask = Mask });
        int[] read = inputs.Decoder!.Ids.ToArray<int>();
        Assert.That(read[..4], Is.EqualTo(family == "mbart" ? [End, 5, 9, 4] : new[] { family == "t5" ? 0 : End, 5, 9, 4 }),
            "the decoder reads the source one place later");
        float[] hidden = model.Hidden(inputs).ToFloats();
        int c = model.HiddenSize;
        float[] states = [.. hidden[(3 * c)..(4 * c)], .. hidden[(6 * c)..(7 * c)]];

        float[] dense = Product(states, model, "classification_head.dense", c);
        float[] logits = Product([.. dense.Select(MathF.Tanh)], model, "classification_head.out_proj", 3);
        Assert.That(model.Logits(inputs).ToFloats(), Is.EqualTo(logits).Within(1e-5));
        double[] p = [.. Softmax(logits[..3]), .. Softmax(logits[3..])];
        Assert.That(model.Loss(inputs, model.ToTargets([2, 0], 2)).Item(), Is.EqualTo(-(Math.Log(p[2]) + Math.Log(p[3])) / 2).Within(1e-5));
    }

    [Test]
    public void Rows_without_an_end_or_with_different_numbers_of_them_are_refused()
    {
        var model = Model("bart", ModelTask.SequenceClassification);
        Assert.That(() => model.ToInputs(new InputArrays { Ids = [5, End, 6, 7], BatchSize = 2 }),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("a text is classified by its end-of-text token 2, but a row"));
        Assert.That(() => model.ToInputs(new InputArrays { Ids = [5, End, End, End], BatchSize = 2 }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the first row has 1 and row 2 has 2"));
    }

    [Test]
    public void Answers_are_found_in_the_states_of_the_decoder([Values("bart", "t5")] string family)
    {
        var model = Model(family, ModelTask.QuestionAnswering);
        var inputs = model.ToInputs(new InputArrays { Ids = Ids, BatchSize = 2, Mask = Mask });
        float[] scores = Product(model.Hidden(inputs).ToFloats(), model, "qa_outputs", 2);
        var outputs = model.Outputs(inputs);
        Assert.That(outputs.Select(output => output.Name), Is.EqualTo(["start_logits", "end_logits"]));
        Assert.That(outputs[0].Value.ToFloats(), Is.EqualTo([.. scores.Where((_, i) => i % 2 == 0)]).Within(1e-5));
        Assert.That(outputs[1].Value.ToFloats(), Is.EqualTo([.. scores.Where((_, i) => i % 2 == 1)]).Within(1e-5));
        Assert.That(float.IsFinite(model.Loss(inputs, model.ToTargets([0, 1, 2, 2], 2)).Item()));
    }

    [Test]
    public void Tokens_are_classified_and_features_taken_from_the_encoder_alone()
    {
        var tags = Model("t5", ModelTask.TokenClassification);
        var inputs = tags.ToInputs(new InputArrays { Ids = Ids, BatchSize = 2, Mask = Mask });
        float[] logits = Product(tags.Hidden(inputs).ToFloats(), tags, "classifier", 3);
        Assert.That(tags.Logits(inputs).ToFloats(), Is.EqualTo(logits).Within(1e-5));
        Assert.That((tags.BlockCount, inputs.Decoder), Is.EqualTo((2, (ModelInputs?)null)));
        var peft = new PeftModel(tags);
        peft.AddAdapter(new PromptTuningConfig { NumVirtualTokens = 2 });
        Assert.That(peft.Parameters.First(p => p.Name.Contains("prompt", StringComparison.Ordinal)).Parameter.Shape[0], Is.EqualTo(2),
            "one stack reads virtual tokens");
        Assert.That(tags.Logits(tags.ToInputs(new InputArrays { Ids = Ids, BatchSize = 2, Mask = Mask })).Shape.ToString(),
            Is.EqualTo("(2, 4, 3)"), "virtual tokens have no class");
        peft.Unload();

        var features = Model("t5", ModelTask.FeatureExtraction);
        var read = features.ToInputs(new InputArrays { Ids = Ids, BatchSize = 2, Mask = Mask });
        Assert.That(features.Outputs(read).Single().Name, Is.EqualTo("last_hidden_state"));
        Assert.That(features.Logits(read).Shape.ToString(), Is.EqualTo("(2, 16)"));
    }

    [Test]
    public void An_adapter_trains_and_saves_the_head_under_its_own_name()
    {
        var model = Model("bart", ModelTask.SequenceClassification);
        model.HasNewHead = true;
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { TargetModules = ModuleSelector.Matching("all-linear") });
        var config = (LoraConfig)peft.ConfigOf(PeftModel.DefaultAdapter);
        Assert.That((config.TaskType, config.ModulesToSave), Is.EqualTo(("SEQ_CLS", (string[])["classification_head"])));
        Assert.That(peft.Parameters.Count(p => p.Name.Contains("classification_head", StringComparison.Ordinal)), Is.EqualTo(4),
            "the head is trained whole, without LoRA");
        Assert.That(() => peft.AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 2 }, "p"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("which a bart model for seq-cls does not have"));
        peft.Unload();
    }

    [Test]
    public void Recomputed_blocks_give_the_gradients_of_kept_ones([Values("bart", "t5")] string family)
    {
        float[] Gradient(bool checkpointing)
        {
            var model = Model(family, ModelTask.SequenceClassification);
            model.GradientCheckpointing = checkpointing;
            model.SetRequiresGrad(true);
            using var tape = new Tape();
            var inputs = model.ToInputs(new InputArrays { Ids = Ids, BatchSize = 2, Mask = Mask });
            tape.Backward(model.Loss(inputs, model.ToTargets([2, 0], 2)));
            return model.TokenEmbedding.Weight.Value.Gradient!.ToFloats();
        }
        Assert.That(Gradient(true), Is.EqualTo(Gradient(false)).Within(1e-5));
    }

    [TestCase("bart", ModelTask.SequenceClassification)]
    [TestCase("t5", ModelTask.TokenClassification)]
    [TestCase("t5", ModelTask.QuestionAnswering)]
    public void A_plan_counts_what_a_step_of_each_task_takes(string family, ModelTask task)
    {
        PeftModel Build(Backend backend)
        {
            var peft = new PeftModel(Model(family, task, backend));
            peft.AddAdapter(new LoraConfig());
            return peft;
        }
        var plan = MemoryPlan.Of(backend => new TrainableAdapter(Build(backend)), 2, 6);
        Assert.That(plan.SavedBytes, Is.Positive);
        var peft = Build(_backend);
        var batch = MemoryPlan.FullBatch(peft.Base, 2, 6);
        Assert.That(float.IsFinite(peft.Base.Loss(batch.ToInputs(peft.Base), batch.ToTargets(peft.Base)).Item()));
    }

    [TestCase("bart", "BartForConditionalGeneration", ModelTask.SequenceClassification, "BartForSequenceClassification")]
    [TestCase("t5", "T5ForConditionalGeneration", ModelTask.FeatureExtraction, "T5EncoderModel")]
    [TestCase("t5", "T5EncoderModel", ModelTask.TokenClassification, "T5ForTokenClassification")]
    public void A_saved_model_names_the_class_of_its_task(string family, string source, ModelTask task, string expected)
    {
        Assert.That(TaskSpec.ClassFor(source, task), Is.EqualTo(expected));
        Assert.That(TaskSpec.TaskOfClass(expected), Is.EqualTo(task));
        var config = Config(family);
        config["architectures"] = new JsonArray(expected);
        Assert.That(ModelLoader.Declare(ConfigReader.Parse(config.ToJsonString(), "config.json")).Task, Is.EqualTo(task));
    }

    [Test]
    public void A_task_that_transformers_lacks_for_a_family_is_refused() =>
        Assert.That(() => Model("pegasus", ModelTask.SequenceClassification), Throws.TypeOf<BadInputException>()
            .With.Message.Contains("pegasus models cannot be loaded for seq-cls; choose seq2seq-lm"));

    [Test]
    public void The_constant_of_logits_is_cut_or_continued_with_zeros_as_the_tables_are_resized([Values(3, 400)] int rows)
    {
        using var edited = new EditedModel("bart");
        int before = edited.Config["vocab_size"]!.GetValue<int>();
        float[] constant = [.. Enumerable.Range(0, before).Select(token => token % 7 - 3f)];
        edited.Put("final_logits_bias", "F32", [1, before], MemoryMarshal.AsBytes(constant.AsSpan()).ToArray());
        var model = ModelLoader.Load(edited.Write().FullPath, _backend);
        model.ResizeTokenEmbeddings(rows);
        var inputs = model.ToInputs(new InputArrays { Ids = [2, 0], BatchSize = 1, Labels = [1, 2] });
        float[] plain = ((Seq2SeqModel)model).Head.Forward(model.Hidden(inputs)).ToFloats();
        float[] resized = [.. Enumerable.Range(0, 2 * rows).Select(i => plain[i] + (i % rows < before ? constant[i % rows] : 0))];
        Assert.That(model.Logits(inputs).ToFloats(), Is.EqualTo(resized).Within(1e-5));
        model.Dispose();
    }

    private static float[] Product(float[] x, TransformerModel model, string path, int outputs)
    {
        float[] w = Value(model, path + ".weight"), b = Value(model, path + ".bias");
        int inputs = w.Length / outputs;
        return [.. Enumerable.Range(0, x.Length / inputs * outputs).Select(i =>
            b[i % outputs] + Enumerable.Range(0, inputs).Sum(j => x[i / outputs * inputs + j] * w[i % outputs * inputs + j]))];
    }

    private static float[] Value(TransformerModel model, string path) =>
        model.NamedParameters().Single(p => p.Path == path).Parameter.Value.ToFloats();

    private static IEnumerable<double> Softmax(float[] x) => x.Select(value => Math.Exp(value) / x.Sum(other => Math.Exp(other)));

    private TransformerModel Model(string family, ModelTask task) => Model(family, task, _backend);

    private static TransformerModel Model(string family, ModelTask task, Backend backend)
    {
        var model = ModelLoader.Declare(ConfigReader.Parse(Config(family).ToJsonString(), "config.json"), task: new TaskOptions
        {
            Task = task,
            Labels = ["a", "b", "c"],
        });
        ModelLoader.Initialize(model, backend, DType.F32, seed: 5);
        ulong stream = 0;
        foreach (var (_, parameter) in model.NamedParameters().Where(p => p.Parameter.Shape.Rank == 2))
        {
            backend.FillNormal(parameter.Value, 0, 0.3f, 9, stream++);
        }
        return model;
    }

    private static JsonObject Config(string family) => family is "t5" or "mt5"
        ? new JsonObject
        {
            ["model_type"] = family, ["vocab_size"] = TinyPairs.Vocabulary, ["d_model"] = 16, ["d_kv"] = 4, ["d_ff"] = 24,
            ["num_layers"] = 2, ["num_heads"] = 4, ["eos_token_id"] = End, ["dropout_rate"] = 0,
        }
        : new JsonObject
        {
            ["model_type"] = family, ["vocab_size"] = TinyPairs.Vocabulary, ["d_model"] = 16, ["encoder_layers"] = 1,
            ["decoder_layers"] = 1, ["encoder_attention_heads"] = 4, ["decoder_attention_heads"] = 4, ["encoder_ffn_dim"] = 24,
            ["decoder_ffn_dim"] = 24, ["max_position_embeddings"] = 24, ["dropout"] = 0,
        };
}
