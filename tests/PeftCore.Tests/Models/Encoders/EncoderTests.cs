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
public sealed class EncoderTests : EncoderFixture
{
    private static readonly string[] Types =
        ["bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "deberta-v2", "modernbert"];

    private static readonly ModelTask[] Tasks =
        [ModelTask.SequenceClassification, ModelTask.TokenClassification, ModelTask.QuestionAnswering, ModelTask.MaskedLm];

    [Test]
    public void Padding_changes_no_token([ValueSource(nameof(Types))] string type)
    {
        var model = TinyEncoders.Model(Backend, type, TinyEncoders.Task(ModelTask.TokenClassification));
        int[] ids = TinyEncoders.Ids(1, 6);
        float[] alone = Logits(model, ids, null, 1);
        float[] padded = Logits(model, [.. ids, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0, 0], 1);
        Assert.That(padded[..alone.Length], Is.EqualTo(alone).Within(1e-5f));
    }

    [Test]
    public void Padding_between_tokens_is_not_attended_to([Values("bert", "distilbert", "albert", "deberta-v2", "modernbert")] string type)
    {
        var model = TinyEncoders.Model(Backend, type, TinyEncoders.Task(ModelTask.TokenClassification));
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
        var model = PeftCore.Tests.Nn.TinyModels.Llama(Backend);
        int[] ids = [.. Enumerable.Range(0, 6).Select(i => 1 + i * 3)], other = [.. ids];
        other[2] = 20;
        int[] mask = [1, 1, 0, 1, 1, 1];
        float[] first = Last(ids, mask), second = Last(other, mask);
        Assert.That(second, Is.EqualTo(first).Within(1e-6f));
        Assert.That(Last(other, [1, 1, 1, 1, 1, 1]), Is.Not.EqualTo(first).Within(1e-3f));

        float[] Last(int[] tokens, int[] attended) => model.Logits(ModelInputs.From(Backend, tokens, 1, attended))
            .ToFloats()[^model.VocabularySize..];
    }

    [Test]
    public void Every_family_trains_every_task([ValueSource(nameof(Types))] string type, [ValueSource(nameof(Tasks))] ModelTask task)
    {
        bool classes = task is ModelTask.SequenceClassification or ModelTask.TokenClassification;
        var model = TinyEncoders.Model(Backend, type, classes ? TinyEncoders.Task(task) : new TaskOptions { Task = task }, scale: 2);
        var peft = new PeftModel(model);
        peft.AddAdapter(new LoraConfig { Rank = 2, Alpha = 4 });
        using var optimizer = new PeftCore.Optim.AdamW(peft.Parameters);
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
        var model = TinyEncoders.Model(Backend, type, TinyEncoders.Task(ModelTask.SequenceClassification));
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
        var model = TinyEncoders.Model(Backend, type, TinyEncoders.Task(ModelTask.SequenceClassification));
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
        var model = TinyEncoders.Model(Backend, "bert",
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
        ModelLoader.Initialize(model, Backend, DType.F32, seed: 5);
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
        var peft = new PeftModel(TinyEncoders.Model(Backend, "bert", TinyEncoders.Task(ModelTask.TokenClassification)));
        peft.AddAdapter(new LoraConfig());
        var config = (LoraConfig)peft.ConfigOf(PeftModel.DefaultAdapter);
        Assert.That(config.TaskType, Is.EqualTo("TOKEN_CLS"));
        Assert.That(config.ModulesToSave, Is.EqualTo(new[] { "classifier", "score" }));
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
        var bert = TinyEncoders.Model(Backend, "bert", TinyEncoders.Task(ModelTask.SequenceClassification));
        Assert.That(() => new CachedDecoder(bert, Backend, 8), Refuses("cannot continue a text"));
        Assert.That(() => Logits(bert, TinyEncoders.Ids(1, 25), null, 1), Refuses("longer than the 24"));
        Assert.That(() => new PeftModel(TinyEncoders.Model(Backend, "deberta-v2", TinyEncoders.Task(ModelTask.SequenceClassification)))
            .AddAdapter(new PrefixTuningConfig { NumVirtualTokens = 2 }), Refuses("use prompt tuning"));
        Assert.That(() => EmbeddingHead.ModeOf("cls", isDecoder: true), Refuses("choose mean or last"));
        Assert.That(() => EmbeddingHead.ModeOf("max", isDecoder: false), Refuses("expected mean, cls or last"));
        Assert.That(() => TinyEncoders.Model(Backend, "bert", new TaskOptions { Task = ModelTask.MaskedLm, Pooling = "mean" }),
            Refuses("choose feature-extraction"));
        Assert.That(() => TinyEncoders.Model(Backend, "bert", new TaskOptions { Task = ModelTask.CausalLm }),
            Refuses("cannot be loaded for causal-lm"));
    }

    private static NUnit.Framework.Constraints.Constraint Refuses(string part) =>
        Throws.TypeOf<BadInputException>().With.Message.Contains(part);

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
}
