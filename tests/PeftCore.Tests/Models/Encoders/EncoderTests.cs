using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.Peft.Selective;
using PeftCore.Tensors;

namespace PeftCore.Tests.Models.Encoders;

/// <summary>What encoders, their heads and their inputs do where no reference numbers say it.</summary>
public sealed class EncoderTests
{
    private static readonly string[] Types =
        ["bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "deberta-v2", "modernbert"];

    private static readonly ModelTask[] Tasks =
        [ModelTask.SequenceClassification, ModelTask.TokenClassification, ModelTask.QuestionAnswering, ModelTask.MaskedLm];

    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Padding_changes_no_token([ValueSource(nameof(Types))] string type)
    {
        var model = TinyEncoders.Model(_backend, type, TinyEncoders.Task(ModelTask.TokenClassification));
        int[] ids = TinyEncoders.Ids(1, 6);
        float[] alone = Logits(model, ids, null, 1);
        float[] padded = Logits(model, [.. ids, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0, 0], 1);
        Assert.That(padded[..alone.Length], Is.EqualTo(alone).Within(1e-5f));
    }

    [Test]
    public void Padding_between_tokens_is_not_attended_to([Values("bert", "distilbert", "albert", "deberta-v2", "modernbert")] string type)
    {
        var model = TinyEncoders.Model(_backend, type, TinyEncoders.Task(ModelTask.TokenClassification));
        int[] ids = TinyEncoders.Ids(2, 7), other = [.. ids];
        int[] mask = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1];
        (other[9], other[10]) = (5, 7);
        float[] first = Logits(model, ids, mask, 2), second = Logits(model, other, mask, 2);
        // What stands at the masked places does not matter to the other tokens.
        int row = first.Length / 14;
        Assert.That(second[..(9 * row)], Is.EqualTo(first[..(9 * row)]).Within(1e-6f));
        Assert.That(second[(11 * row)..], Is.EqualTo(first[(11 * row)..]).Within(1e-6f));
        Assert.That(Logits(model, other, null, 2), Is.Not.EqualTo(first).Within(1e-3f));
    }

    [Test]
    public void A_decoder_leaves_out_padding_between_tokens_too()
    {
        var model = PeftCore.Tests.Nn.TinyModels.Llama(_backend);
        int[] ids = [.. Enumerable.Range(0, 6).Select(i => 1 + i * 3)], other = [.. ids];
        other[2] = 20;
        int[] mask = [1, 1, 0, 1, 1, 1];
        float[] first = Last(ids, mask), second = Last(other, mask);
        Assert.That(second, Is.EqualTo(first).Within(1e-6f));
        Assert.That(Last(other, [1, 1, 1, 1, 1, 1]), Is.Not.EqualTo(first).Within(1e-3f));

        float[] Last(int[] tokens, int[] attended) => model.Logits(ModelInputs.From(_backend, tokens, 1, attended))
            .ToFloats()[^model.VocabularySize..];
    }

    [Test]
    public void Every_family_trains_every_task([ValueSource(nameof(Types))] string type, [ValueSource(nameof(Tasks))] ModelTask task)
    {
        bool classes = task is ModelTask.SequenceClassification or ModelTask.TokenClassification;
        var model = TinyEncoders.Model(_backend, type, classes ? TinyEncoders.Task(task) : new TaskOptions { Task = task }, scale: 2);
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { Rank = 2, Alpha = 4 });
        using var optimizer = new PeftCore.Optim.AdamW(peft.Parameters, new PeftCore.Optim.AdamWOptions());
        int[] labels = task switch
        {
            ModelTask.SequenceClassification => [1, 2],
            ModelTask.QuestionAnswering => [1, 0, 3, 4],
            ModelTask.TokenClassification => [0, 1, 2, 0, -100, 2, 1, 0, 2, -100],
            _ => [-100, 7, -100, -100, 9, -100, -100, 3, -100, -100],
        };
        var losses = new List<float>();
        for (int i = 0; i < 8; i++)
        {
            using var step = new TensorScope();
            using var tape = new Tape();
            var loss = model.Loss(Inputs(model, TinyEncoders.Ids(2, 5), null, 2), model.ToTargets(labels, 2));
            tape.Backward(loss);
            losses.Add(loss.Item());
            optimizer.Step(3e-2);
            optimizer.FreeGradients();
        }
        Assert.That(losses[^1], Is.LessThan(losses[0]));
    }

    [Test]
    public void Gradient_checkpointing_gives_the_same_gradients([ValueSource(nameof(Types))] string type)
    {
        var model = TinyEncoders.Model(_backend, type, TinyEncoders.Task(ModelTask.SequenceClassification));
        model.SetRequiresGrad(true);
        float[] plain = Gradient(model);
        model.GradientCheckpointing = true;
        Assert.That(Gradient(model), Is.EqualTo(plain).Within(1e-6f));
    }

    [TestCase("prompt", "bert")]
    [TestCase("prompt", "electra")]
    [TestCase("prompt", "deberta-v2")]
    [TestCase("prompt", "modernbert")]
    [TestCase("p-tuning", "roberta")]
    [TestCase("prefix", "bert")]
    [TestCase("prefix", "albert")]
    [TestCase("bitfit", "distilbert")]
    [TestCase("ln", "bert")]
    [TestCase("ln", "modernbert")]
    [TestCase("last", "deberta-v2")]
    [TestCase("bottleneck", "bert")]
    [TestCase("bottleneck", "modernbert")]
    [TestCase("head", "distilbert")]
    public void Methods_attach_to_encoders_and_train_the_head(string method, string type)
    {
        var model = TinyEncoders.Model(_backend, type, TinyEncoders.Task(ModelTask.SequenceClassification));
        var peft = new PeftModel(model);
        peft.AddAdapter(method switch
        {
            "prompt" => new PromptTuningConfig { NumVirtualTokens = 3 },
            "p-tuning" => new PTuningConfig { NumVirtualTokens = 3 },
            "prefix" => new PrefixTuningConfig { NumVirtualTokens = 3 },
            "bitfit" => new BitFitConfig(),
            "ln" => new LnTuningConfig(),
            "last" => new LastLayersConfig(),
            "head" => new HeadConfig(),
            _ => new BottleneckConfig(),
        });
        string[] heads = [.. peft.Parameters.Select(p => p.Name).Where(name => name.Contains("classifier", StringComparison.Ordinal))];
        Assert.That(heads.Any(name => name.EndsWith("weight", StringComparison.Ordinal)), Is.True, string.Join(", ", heads));
        Assert.That(heads.Distinct().Count(), Is.EqualTo(heads.Length));
        using var tape = new Tape();
        tape.Backward(model.Loss(Inputs(model, TinyEncoders.Ids(2, 5), [1, 1, 1, 1, 1, 1, 1, 1, 0, 0], 2), model.ToTargets([1, 0], 2)));
        Assert.That(peft.Parameters.Where(p => p.Parameter.Gradient is null).Select(p => p.Name), Is.Empty);
    }

    [TestCase(ModelTask.TokenClassification)]
    [TestCase(ModelTask.MaskedLm)]
    [TestCase(ModelTask.FeatureExtraction)]
    public void Virtual_tokens_have_no_target_and_no_part_in_the_mean(ModelTask task)
    {
        var model = TinyEncoders.Model(_backend, "bert",
            task == ModelTask.TokenClassification ? TinyEncoders.Task(task) : new TaskOptions { Task = task });
        new PeftModel(model).AddAdapter(new PromptTuningConfig { NumVirtualTokens = 3 });
        var inputs = Inputs(model, TinyEncoders.Ids(2, 5), [1, 1, 1, 1, 1, 1, 1, 1, 0, 0], 2);
        var logits = model.Logits(inputs);
        float[] hidden = model.Hidden(inputs).ToFloats();
        int c = model.HiddenSize;
        if (task == ModelTask.FeatureExtraction)
        {
            float mean = (hidden[11 * c] + hidden[12 * c] + hidden[13 * c]) / 3;
            Assert.That(logits.ToFloats()[c], Is.EqualTo(mean).Within(1e-5f));
            return;
        }
        Assert.That(logits.Shape[1], Is.EqualTo(5));
        int[] labels = [1, -100, 2, 0, 1, 2, 0, 1, -100, -100];
        Assert.That(float.IsFinite(model.Loss(inputs, model.ToTargets(labels, 2)).Item()));
    }

    [Test]
    public void A_decoder_classifies_by_the_last_token_of_each_row([Values] bool prompt, [Values] bool left)
    {
        const string Json = "{\"model_type\": \"llama\", \"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2, " +
            "\"num_attention_heads\": 2, \"intermediate_size\": 24, \"max_position_embeddings\": 24, \"pad_token_id\": 0}";
        var model = ModelLoader.Declare(PeftCore.Io.ConfigReader.Parse(Json, "config.json"),
            task: TinyEncoders.Task(ModelTask.SequenceClassification));
        ModelLoader.Initialize(model, _backend, DType.F32, seed: 5);
        if (prompt)
        {
            new PeftModel(model).AddAdapter(new PromptTuningConfig { NumVirtualTokens = 2 });
        }
        int[] text = [5, 6, 7];
        float[] alone = Logits(model, text, null, 1);
        int[] ids = left && !prompt ? [0, 0, .. text, 9, 8, 5, 6, 7] : [.. text, 0, 0, 9, 8, 5, 6, 7];
        int[] mask = left && !prompt ? [0, 0, 1, 1, 1, 1, 1, 1, 1, 1] : [1, 1, 1, 0, 0, 1, 1, 1, 1, 1];
        Assert.That(Logits(model, ids, mask, 2)[..3], Is.EqualTo(alone).Within(left ? 1e-2f : 1e-5f));
    }

    [Test]
    public void The_configuration_of_an_adapter_names_the_task_and_the_head()
    {
        var peft = new PeftModel(TinyEncoders.Model(_backend, "bert", TinyEncoders.Task(ModelTask.TokenClassification)));
        peft.AddAdapter(new LoraConfig());
        var config = (LoraConfig)peft.ConfigOf(PeftModel.DefaultAdapter);
        Assert.That(config.TaskType, Is.EqualTo("TOKEN_CLS"));
        Assert.That(config.ModulesToSave, Is.EqualTo(new[] { "classifier", "score" }));
    }

    [Test]
    public void A_regression_learns_numbers()
    {
        var model = TinyEncoders.Model(_backend, "bert", TinyEncoders.Task(ModelTask.SequenceClassification, labels: 1));
        var inputs = Inputs(model, TinyEncoders.Ids(2, 5), null, 2);
        float[] y = model.Logits(inputs).ToFloats();
        float loss = model.Loss(inputs, Targets.FromValues(_backend, [0.5f, -1], batch: 2)).Item();
        Assert.That(loss, Is.EqualTo((Math.Pow(y[0] - 0.5, 2) + Math.Pow(y[1] + 1, 2)) / 2).Within(1e-5));
    }

    [Test]
    public void Each_of_several_classes_has_a_binary_cross_entropy()
    {
        var model = TinyEncoders.Model(_backend, "bert", new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["a", "b", "c"],
            ProblemType = "multi_label_classification",
        });
        var inputs = Inputs(model, TinyEncoders.Ids(2, 5), null, 2);
        int[] labels = [1, 0, 1, 0, 0, 1];
        double[] x = [.. model.Logits(inputs).ToFloats().Select(value => (double)value)];
        double[] entropies = [.. x.Zip(labels, (logit, label) => -Math.Log(1 / (1 + Math.Exp(label == 1 ? -logit : logit))))];
        Assert.That(model.Loss(inputs, model.ToTargets(labels, 2)).Item(), Is.EqualTo(entropies.Average()).Within(1e-5));
        Assert.That(model.Loss(inputs, model.ToTargets(labels, 2, denominator: 4)).Item(), Is.EqualTo(entropies.Average() / 2).Within(1e-5),
            "a micro batch of a step of four texts");
        Assert.That(model.ProblemType, Is.EqualTo("multi_label_classification"));
        Assert.That(() => model.Loss(inputs, Targets.Unshifted(_backend, [1, 0], 2)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("give 0 or 1 for each class"));
        Assert.That(() => model.Loss(inputs, model.ToTargets([1, 0], 2)), Throws.Exception, "two numbers are no row of three");
    }

    [Test]
    public void The_gradient_of_several_classes_is_the_probability_minus_the_label()
    {
        var model = TinyEncoders.Model(_backend, "bert", new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["a", "b", "c"],
            ProblemType = "multi_label_classification",
        });
        var bias = model.NamedParameters().Single(p => p.Path == "classifier.bias").Parameter;
        bias.RequiresGrad = true;
        var inputs = Inputs(model, TinyEncoders.Ids(1, 5), null, 1);
        float[] x = model.Logits(inputs).ToFloats();
        using var tape = new Tape();
        tape.Backward(model.Loss(inputs, model.ToTargets([1, 0, 1], 1)));
        float[] expected = [.. x.Select((logit, c) => (float)(1 / (1 + Math.Exp(-logit)) - (c == 1 ? 0 : 1)) / 3)];
        Assert.That(bias.Value.Gradient!.ToFloats(), Is.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void A_problem_that_contradicts_the_head_or_the_task_is_refused()
    {
        Assert.That(() => ModelLoader.Declare(TinyEncoders.Config("bert"), task: new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["a", "b"],
            ProblemType = "regression",
        }), Throws.TypeOf<BadInputException>().With.Message.Contains("problem_type is \"regression\", but there are 2 classes"));
        Assert.That(() => ModelLoader.Declare(TinyEncoders.Config("bert"), task: new TaskOptions { ProblemType = "regression" }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the task is masked-lm; choose seq-cls"));
        Assert.That(ModelLoader.Declare(TinyEncoders.Config("bert"), task: new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            ProblemType = "regression",
        }).Labels, Has.Count.EqualTo(1), "a new head predicts one number");
    }

    [Test]
    public void Pairs_of_texts_are_ranked_by_cosine_similarity([Values("mean", "cls", "last")] string pooling)
    {
        var model = TinyEncoders.Model(_backend, "bert", new TaskOptions { Task = ModelTask.FeatureExtraction, Pooling = pooling });
        int[] mask = [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0];
        var inputs = Inputs(model, TinyEncoders.Ids(4, 4), mask, 4);
        float[] e = model.Logits(inputs).ToFloats(), hidden = model.Hidden(inputs).ToFloats();
        int c = model.HiddenSize;
        float[] expected = pooling switch
        {
            "cls" => hidden[(4 * c)..(5 * c)],
            "last" => hidden[(6 * c)..(7 * c)],
            _ => [.. Enumerable.Range(0, c).Select(i => (hidden[4 * c + i] + hidden[5 * c + i] + hidden[6 * c + i]) / 3)],
        };
        Assert.That(e[c..(2 * c)], Is.EqualTo(expected).Within(1e-5f));
        double loss = 0;
        for (int i = 0; i < 2; i++)
        {
            double[] scores = [.. Enumerable.Range(2, 2).Select(j => 20 * Cosine(e, i, j, c))];
            loss += Math.Log(scores.Sum(Math.Exp)) - scores[i];
        }
        Assert.That(model.Loss(inputs, model.ToTargets([0, 1], 2)).Item(), Is.EqualTo(loss / 2).Within(1e-4));
    }

    [TestCase("bert", "\"hidden_act\": \"swiglu\"", "hidden_act")]
    [TestCase("bert", "\"position_embedding_type\": \"relative_key\"", "position_embedding_type")]
    [TestCase("bert", "\"is_decoder\": true", "is_decoder")]
    [TestCase("bert", "\"pad_token_id\": 40", "pad_token_id")]
    [TestCase("bert", "\"num_attention_heads\": 3", "num_attention_heads")]
    [TestCase("albert", "\"inner_group_num\": 2", "inner_group_num")]
    [TestCase("deberta-v2", "\"conv_kernel_size\": 3", "conv_kernel_size")]
    [TestCase("deberta-v2", "\"pos_att_type\": [\"p2p\"]", "pos_att_type")]
    [TestCase("roberta", "\"max_position_embeddings\": 1", "max_position_embeddings")]
    [TestCase("modernbert", "\"layer_types\": [\"full_attention\"]", "layer_types")]
    [TestCase("modernbert", "\"classifier_pooling\": \"max\"", "classifier_pooling")]
    [TestCase("bert", "\"problem_type\": \"regression\"", "problem_type")]
    public void A_field_that_is_not_supported_is_refused_by_name(string type, string field, string name)
    {
        var task = new TaskOptions { Task = ModelTask.SequenceClassification };
        string json = TinyEncoders.Text(type, field);
        Assert.That(() => ModelLoader.Declare(PeftCore.Io.ConfigReader.Parse(json, "config.json"), task: task),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"\"{name}\""));
    }

    [Test]
    public void What_an_encoder_or_a_decoder_cannot_do_is_said_in_one_sentence()
    {
        var bert = TinyEncoders.Model(_backend, "bert", TinyEncoders.Task(ModelTask.SequenceClassification));
        Assert.That(() => new CachedDecoder(bert, _backend, 8), Refuses("cannot continue a text"));
        Assert.That(() => Logits(bert, TinyEncoders.Ids(1, 25), null, 1), Refuses("longer than the 24"));
        Assert.That(() => new PeftModel(TinyEncoders.Model(_backend, "deberta-v2", TinyEncoders.Task(ModelTask.SequenceClassification)))
            .AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 2 }), Refuses("use prompt tuning"));
        Assert.That(() => EmbeddingHead.ModeOf("cls", isDecoder: true), Refuses("choose mean or last"));
        Assert.That(() => EmbeddingHead.ModeOf("max", isDecoder: false), Refuses("expected mean, cls or last"));
        Assert.That(() => TinyEncoders.Model(_backend, "bert", new TaskOptions { Task = ModelTask.MaskedLm, Pooling = "mean" }),
            Refuses("choose feature-extraction"));
        Assert.That(() => TinyEncoders.Model(_backend, "bert", new TaskOptions { Task = ModelTask.CausalLm }),
            Refuses("cannot be loaded for causal-lm"));
    }

    private static NUnit.Framework.Constraints.Constraint Refuses(string part) =>
        Throws.TypeOf<BadInputException>().With.Message.Contains(part);

    private static double Cosine(float[] e, int i, int j, int c)
    {
        double dot = 0, a = 0, b = 0;
        for (int k = 0; k < c; k++)
        {
            dot += e[i * c + k] * (double)e[j * c + k];
            a += e[i * c + k] * (double)e[i * c + k];
            b += e[j * c + k] * (double)e[j * c + k];
        }
        return dot / Math.Sqrt(a * b);
    }

    private float[] Gradient(TransformerModel model)
    {
        using var tape = new Tape();
        tape.Backward(model.Loss(Inputs(model, TinyEncoders.Ids(2, 5), null, 2), model.ToTargets([1, 0], 2)));
        float[] gradient = [.. model.NamedParameters().SelectMany(p => p.Parameter.Gradient?.ToFloats() ?? [])];
        foreach (var (_, parameter) in model.NamedParameters())
        {
            parameter.Value.FreeGradient();
        }
        return gradient;
    }

    private static float[] Logits(TransformerModel model, int[] ids, int[]? mask, int batch) =>
        model.Logits(Inputs(model, ids, mask, batch)).ToFloats();

    private static ModelInputs Inputs(TransformerModel model, int[] ids, int[]? mask, int batch) =>
        model.ToInputs(new InputArrays { Ids = ids, BatchSize = batch, Mask = mask });
}
