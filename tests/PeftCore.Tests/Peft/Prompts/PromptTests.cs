using System.Text.Json.Nodes;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Peft;

[TestFixtureSource(typeof(Family), nameof(Family.All))]
public sealed class PromptTests(Family family)
{
    private static readonly int[] Ids = [.. Enumerable.Range(0, 20).Select(i => 3 + i * 17 % 90)];

    private Bench _bench = null!;

    private PeftModel Model => _bench.Model;

    [SetUp]
    public void Load() => _bench = new Bench(family);

    [TearDown]
    public void Free() => _bench.Dispose();

    [Test]
    public void Reading_with_a_cache_in_any_pieces_gives_the_logits_of_reading_at_once([Values("prompt", "prefix", "both")] string what)
    {
        AddPrompts(what);
        using var scope = new TensorScope();
        float[] whole = _bench.Base.Logits(ModelInputs.From(_bench.Backend, Ids, 1))
            .ToArray<float>()[^(Ids.Length * _bench.Base.VocabularySize)..];
        using var decoder = new CachedDecoder(_bench.Base, _bench.Backend, Ids.Length);
        List<float> pieces = [.. decoder.ReadAll(Ids[..5]), .. decoder.ReadAll(Ids[5..6])];
        decoder.ReadAll([9, 9, 9]);
        decoder.GoBack(6);
        pieces.AddRange([.. decoder.ReadAll(Ids[6..13])]);
        Assert.That(Fixtures.Error([.. pieces], whole.AsSpan(0, pieces.Count)), Is.LessThan(1e-5));
        Assert.That(Fixtures.Error(decoder.Read(Ids[13..]), whole.AsSpan(19 * _bench.Base.VocabularySize)), Is.LessThan(1e-5));
        decoder.GoBack(0);
        Assert.That(Fixtures.Error(decoder.Read(Ids[..1]), whole.AsSpan(0, _bench.Base.VocabularySize)), Is.LessThan(1e-5), "read anew");
    }

    [Test]
    public void Generation_goes_on_from_the_prompts_and_leaves_room_for_them([Values("prompt", "prefix", "both")] string what)
    {
        AddPrompts(what);
        int places = what == "both" ? 7 : what == "prompt" ? 4 : 3;
        var generator = new Generator(_bench.Base, _bench.Backend);
        var result = generator.Generate(Ids, new GenerationOptions { MaxNewTokens = 10_000, Temperature = 0 });
        Assert.That(result.Tokens, Has.Count.EqualTo(_bench.Base.MaxLength - places - Ids.Length));
        Assert.That(result.Tokens.Take(5),
            Is.Not.EqualTo(
            Model.WithoutAdapters(() => generator.Generate(Ids, new GenerationOptions { MaxNewTokens = 5, Temperature = 0 }).Tokens)));
        int[] full = [.. Enumerable.Repeat(5, _bench.Base.MaxLength - places + 1)];
        Assert.That(() => _bench.Base.Logits(ModelInputs.From(_bench.Backend, full, 1)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("longer than"));
    }

    [Test]
    public void Rows_of_a_batch_may_use_prompts_of_different_lengths_or_other_methods_or_none([Values("prompt", "prefix")] string what)
    {
        Model.AddAdapter(Config(what, 5), "long", seed: 1);
        Model.AddAdapter(Config(what, 2), "short", seed: 2);
        Model.AddAdapter(new LoraConfig { Rank = 2, Init = LoraInit.Random, TargetModules = ModuleSelector.Of(family.Attention) }, "lora",
            seed: 3);
        foreach (string[] rows in new[] { new[] { "short", PeftModel.NoAdapter, "long" }, ["lora", "long", "lora"],
            ["short", "short", "lora"] })
        {
            float[] mixed = Model.WithRowAdapters(rows, _bench.Logits);
            for (int row = 0; row < rows.Length; row++)
            {
                Model.SetActive(rows[row] == PeftModel.NoAdapter ? [] : [rows[row]]);
                float[] alone = _bench.Logits(row);
                Assert.That(Fixtures.Error(mixed.AsSpan(row * alone.Length, alone.Length), alone), Is.LessThan(1e-5), rows[row]);
            }
        }
    }

    [Test]
    public void Losses_of_a_mixed_batch_count_the_first_token_only_behind_virtual_tokens()
    {
        Model.AddAdapter(Config("prompt", 3), "prompt", seed: 1);
        int[] ids = Ids[..10];
        double Loss(string name, int row)
        {
            Model.SetActive(name == PeftModel.NoAdapter ? [] : [name]);
            return LossOf(ids.AsSpan(5 * row, 5), 1);
        }
        double together = Model.WithRowAdapters(["prompt", PeftModel.NoAdapter], () => LossOf(ids, 2));
        Assert.That(together, Is.EqualTo((5 * Loss("prompt", 0) + 4 * Loss(PeftModel.NoAdapter, 1)) / 9).Within(1e-5));
    }

    [Test]
    public void Several_prompts_stand_one_after_the_other_in_the_order_they_are_active()
    {
        Model.AddAdapter(Config("prompt", 2), "one", seed: 1);
        Model.AddAdapter(Config("prompt", 3), "two", seed: 2);
        Model.AddAdapter(Config("prompt", 5), "both", seed: 3);
        float[] Values(string name)
        {
            Model.SetActive(name);
            return Model.Parameters[0].Parameter.Value.ToArray<float>();
        }
        float[] joined = [.. Values("two"), .. Values("one")];
        Model.SetActive("both");
        Bench.Set(Model.Parameters[0].Parameter, joined);
        float[] expected = _bench.Logits();
        Model.SetActive("two", "one");
        Assert.That(_bench.Logits(), Is.EqualTo(expected));
    }

    [Test]
    public void Packed_rows_and_padding_on_the_left_are_refused([Values("prompt", "prefix")] string what)
    {
        Model.AddAdapter(Config(what, 2));
        int[] ids = [5, 6, 7, 8];
        Assert.That(() => _bench.Base.Logits(ModelInputs.From(_bench.Backend, ids, 1, ranges: [0, 1, 0, 2, 2, 3, 2, 4])),
            Throws.TypeOf<BadInputException>().With.Message.Contains("packed"));
        Assert.That(() => _bench.Base.Logits(ModelInputs.From(_bench.Backend, ids, 1, mask: [0, 1, 1, 1])),
            Throws.TypeOf<BadInputException>().With.Message.Contains("left"));
    }

    [Test]
    public void Sizes_that_are_left_out_are_saved_as_the_reference_finds_them([Values("prompt", "prefix", "p_tuning_mlp")] string fixture)
    {
        using var directory = new TemporaryDirectory();
        PromptLearningConfig config = fixture switch
        {
            "prefix" => new PrefixTuningConfig { NumVirtualTokens = 5 },
            "prompt" => new PromptTuningConfig { NumVirtualTokens = 5 },
            _ => new PTuningConfig { NumVirtualTokens = 5, EncoderHiddenSize = 24 },
        };
        Model.AddAdapter(config with { BaseModelNameOrPath = "../base" });
        Model.Save(directory.FullPath);
        string ours = File.ReadAllText(directory["adapter_config.json"]),
            reference = File.ReadAllText(TestFiles.Fixture("hf", family.Name, fixture, "adapter_config.json"));
        Assert.That(JsonNode.DeepEquals(JsonNode.Parse(ours), JsonNode.Parse(reference)), Is.True, ours);
    }

    [Test]
    public void What_does_not_fit_the_model_is_refused()
    {
        foreach (var (config, what) in new (PromptLearningConfig, string)[]
        {
            (new PromptTuningConfig { NumVirtualTokens = 0 }, "num_virtual_tokens"),
            (new PromptTuningConfig { NumVirtualTokens = 100_000 }, "context"),
            (new PromptTuningConfig { TokenDim = 7 }, "token_dim"),
            (new PrefixTuningConfig { NumLayers = 9 }, "num_layers"),
            (new PrefixTuningConfig { NumTransformerSubmodules = 2 }, "num_transformer_submodules"),
            (new PromptTuningConfig { Init = PromptInit.Text }, "prompt_tuning_init_text"),
            (new PromptTuningConfig { Init = PromptInit.Text, InitText = "x", Tokenizer = "/nowhere" }, "/nowhere"),
            (new PTuningConfig { EncoderHiddenSize = 0 }, "encoder_hidden_size"),
            (new MultitaskPromptTuningConfig { NumTasks = 0 }, "num_tasks"),
            (new MultitaskPromptTuningConfig { Init = MultitaskPromptInit.AverageSourceTasks }, "prompt_tuning_init_state_dict_path"),
        })
        {
            Assert.That(() => Model.AddAdapter(config), Throws.TypeOf<BadInputException>().With.Message.Contains(what));
            Assert.That(_bench.Backend.Memory.CurrentBytes, Is.EqualTo(_bench.StartingBytes));
        }
    }

    [Test]
    public void A_task_of_a_multitask_adapter_has_its_own_prompt_and_can_start_another_training()
    {
        using var directory = new TemporaryDirectory();
        Model.AddAdapter(new MultitaskPromptTuningConfig { NumVirtualTokens = 3, NumTasks = 2, NumRanks = 2 });
        float[] first = _bench.Logits(0), second = Model.WithTasks([1], () => _bench.Logits(0));
        Assert.That(Fixtures.Error(second, first), Is.GreaterThan(1e-4));
        float[] mixed = Model.WithTasks([1, 0, 0], _bench.Logits);
        Assert.That(Fixtures.Error(mixed.AsSpan(0, second.Length), second), Is.LessThan(1e-5));
        Assert.That(() => Model.WithTasks([2], () => _bench.Logits(0)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no task 2"));
        Model.Save(directory.FullPath);
        string source = directory["adapter_model.safetensors"];
        Model.AddAdapter(new MultitaskPromptTuningConfig
        {
            NumVirtualTokens = 3, NumRanks = 2, Init = MultitaskPromptInit.ExactSourceTask,
            InitTask = 1, InitStateDictPath = source
        }, "exact");
        Assert.That(_bench.Logits(0), Is.EqualTo(second));
        float[] exact = Factors("exact");
        Model.AddAdapter(new MultitaskPromptTuningConfig
        {
            NumVirtualTokens = 3, NumRanks = 2,
            Init = MultitaskPromptInit.AverageSourceTasks, InitStateDictPath = source
        }, "mean");
        float[] mean = Factors("mean"), both = Factors(PeftModel.DefaultAdapter);
        Assert.That(exact, Is.EqualTo(both[exact.Length..]));
        Assert.That(mean[3], Is.EqualTo((both[3] + both[exact.Length + 3]) / 2));
    }

    [Test]
    public void What_the_data_say_of_their_tasks_is_trained_and_evaluated()
    {
        Model.AddAdapter(new MultitaskPromptTuningConfig { NumVirtualTokens = 3, NumTasks = 3, NumRanks = 2 }, seed: 4);
        DataLoader Data(int task) =>
            new([.. Enumerable.Range(0, 2).Select(_ => new Example(Ids, Ids) { TaskId = task })],
                new LoaderOptions { BatchSize = 2, PadId = 0 });
        float[] before = Factors(PeftModel.DefaultAdapter);
        new Trainer(Model, new TrainerOptions { MaxSteps = 2, LearningRate = 1e-2 }, Data(1)).Run();
        float[] after = Factors(PeftModel.DefaultAdapter);
        int size = before.Length / 3;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(after[..size], Is.EqualTo(before[..size]));
            Assert.That(after[size..(2 * size)], Is.Not.EqualTo(before[size..(2 * size)]));
            Assert.That(after[(2 * size)..], Is.EqualTo(before[(2 * size)..]));
        }
        double second = Evaluation.Run(_bench.Base, Data(1).Epoch()).Loss, third = Evaluation.Run(_bench.Base, Data(2).Epoch()).Loss;
        Assert.That(third, Is.Not.EqualTo(second).Within(1e-5));
        var unnamed = new DataLoader([new Example(Ids, Ids)], new LoaderOptions { BatchSize = 1, PadId = 0 });
        Assert.That(Model.WithTasks([2], () => Evaluation.Run(_bench.Base, unnamed.Epoch()).Loss), Is.EqualTo(third).Within(1e-5));
        Assert.That(() => new Trainer(Model, new TrainerOptions { MaxSteps = 1 }, Data(3)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no task 3"));
    }

    [Test]
    public void A_text_is_classified_with_the_prompt_of_its_task()
    {
        Model.AddAdapter(new MultitaskPromptTuningConfig { NumVirtualTokens = 3, NumTasks = 2, NumRanks = 2 }, seed: 4);
        using var scope = new TensorScope();
        using var decoder = new CachedDecoder(_bench.Base, _bench.Backend, Ids.Length) { Task = 1 };
        float[] logits = decoder.ReadAll(Ids);
        decoder.GoBack(0);
        decoder.Task = null;
        Assert.That(Model.WithTasks([1], () => decoder.ReadAll(Ids)), Is.EqualTo(logits));
        decoder.GoBack(0);
        Assert.That(decoder.ReadAll(Ids), Is.Not.EqualTo(logits));
    }

    private void AddPrompts(string what)
    {
        if (what != "prefix")
        {
            Model.AddAdapter(Config("prompt", 4), "prompt", seed: 1);
        }
        if (what != "prompt")
        {
            Model.AddAdapter(Config("prefix", 3), "prefix", seed: 2);
        }
        Model.SetActive([.. Model.AdapterNames]);
    }

    private static PromptLearningConfig Config(string what, int tokens) =>
        what == "prompt" ? new PromptTuningConfig { NumVirtualTokens = tokens } : new PrefixTuningConfig { NumVirtualTokens = tokens };

    private double LossOf(ReadOnlySpan<int> ids, int rows)
    {
        int[] all = ids.ToArray();
        using var scope = new TensorScope();
        return Tape.NoGrad(() => _bench.Base.Loss(ModelInputs.From(_bench.Backend, all, rows),
            Targets.FromLabels(_bench.Backend, all, rows))).Item();
    }

    private float[] Factors(string name)
    {
        Model.SetActive(name);
        return Model.Parameters.Single(p => p.Name.EndsWith("prefix_task_cols", StringComparison.Ordinal)).Parameter.Value.ToArray<float>();
    }
}
