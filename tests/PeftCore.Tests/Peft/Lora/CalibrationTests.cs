using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Peft.Numerics;
using PeftCore.Training;

namespace PeftCore.Tests.Peft;

public sealed class CalibrationTests
{
    private static IEnumerable<TestCaseData> Starts =>
        from family in Family.All
        from init in new[] { LoraInit.Eva, LoraInit.Corda, LoraInit.LoraGa }
        select new TestCaseData(family, init);

    [TestCaseSource(nameof(Starts))]
    public void It_starts_as_the_base_and_its_file_computes_what_it_learned(Family family, LoraInit init)
    {
        using var bench = new Bench(family);
        using var directory = new TemporaryDirectory();
        float[] plain = bench.Logits();
        var before = bench.BaseBytes();
        bench.Model.AddCalibratedAdapter(Config(family, init), () => bench.Step());
        Assert.That(Fixtures.Error(bench.Logits(), plain), Is.LessThan(1e-5));
        bench.Perturb();
        float[] trained = bench.Logits();
        bench.Model.Save(directory.FullPath);
        bench.Model.SaveState(directory["state"]);
        bench.Model.Unload();
        Bench.AssertSame(bench.BaseBytes(), before);
        bench.Model.Load(directory.FullPath);
        Assert.That(Fixtures.Error(bench.Logits(), trained), Is.LessThan(1e-5));
        bench.Model.Unload();
        bench.Model.AddCalibratedAdapter(Config(family, init), () => bench.Step(), seed: 4);
        bench.Perturb(9);
        bench.Model.LoadState(directory["state"]);
        Assert.That(bench.Logits(), Is.EqualTo(trained));
        bench.Model.Unload();
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(bench.StartingBytes));
    }

    [Test]
    public void Eva_gives_ranks_to_layers_whose_inputs_a_few_directions_explain_and_spends_the_budget()
    {
        using var bench = new Bench(Family.Llama);
        var wanted = Config(Family.Llama, LoraInit.Eva) with { Alpha = 8, Calibration = new Calibration { Rho = 1.5 } };
        bench.Model.AddCalibratedAdapter(wanted, () => bench.Logits());
        var config = (LoraConfig)bench.Model.ConfigOf("default");
        var ranks = config.RankPattern.ToDictionary();
        Assert.That(ranks.Values.Sum(), Is.EqualTo(4 * 4));
        Assert.That(ranks.Values, Is.All.InRange(1, 6));
        Assert.That(config.AlphaPattern.All(alpha => alpha.Value / ranks[alpha.Key] == 2), "one scale for all");
        foreach (var (name, parameter) in bench.Model.Parameters.Where(p => p.Name.Contains("lora_A", StringComparison.Ordinal)))
        {
            float[] a = parameter.Value.ToArray<float>();
            double[] rows = Array.ConvertAll(a, x => (double)x);
            int r = parameter.Shape[0], n = parameter.Shape[1];
            double[] gram = Dense.MultiplyTransposed(rows, rows, r, n, r);
            Assert.That(gram.Select((x, i) => Math.Abs(x - (i % (r + 1) == 0 ? 1 : 0))), Is.All.LessThan(1e-5), name);
        }
    }

    [Test]
    public void Lora_ga_steps_where_full_fine_tuning_would()
    {
        using var bench = new Bench(Family.Llama);
        var layer = (Linear)bench.Base.Find("model.layers.0.self_attn.q_proj")!;
        bench.Model.AddCalibratedAdapter(new LoraConfig
        {
            Rank = 8, Init = LoraInit.LoraGa,
            TargetModules = ModuleSelector.Of("layers.0.self_attn.q_proj")
        }, () => bench.Step());
        bench.Step();
        var parameters = bench.Model.Parameters.ToDictionary(p => p.Name.Contains("lora_A", StringComparison.Ordinal) ? "A" : "B",
            p => p.Parameter);
        double[] Wide(PeftCore.Tensors.Tensor tensor) => Array.ConvertAll(tensor.ToArray<float>(), x => (double)x);
        // ΔW after a small step is −(dB·A + B·dA); with rank 8 of 32 it must follow the gradient closely.
        double[] delta = Dense.Multiply(Wide(parameters["B"].Gradient!), Wide(parameters["A"].Value), layer.Outputs, 8, layer.Inputs)
            .Zip(Dense.Multiply(Wide(parameters["B"].Value), Wide(parameters["A"].Gradient!), layer.Outputs, 8, layer.Inputs), (x, y) => x +
                y).ToArray();
        layer.Weight.RequiresGrad = true;
        bench.Step();
        double[] full = Wide(layer.Weight.Gradient!);
        double cosine = delta.Zip(full, (x, y) => x * y).Sum() / (Dense.Norm(delta) * Dense.Norm(full));
        layer.Weight.RequiresGrad = false;
        Assert.That(cosine, Is.GreaterThan(0.8));
    }

    [Test]
    public void Loftq_starts_nearer_to_the_base_than_rounding_alone()
    {
        using var bench = new Bench(Family.Llama);
        float[] plain = bench.Logits();
        double Error(int rank, int turns)
        {
            bench.Model.AddAdapter(new LoraConfig
            {
                Rank = rank, Init = LoraInit.Loftq, LoftqIterations = turns,
                TargetModules = ModuleSelector.Matching("all-linear")
            }, "loftq");
            double error = Fixtures.Error(bench.Logits(), plain);
            bench.Model.Delete("loftq");
            return error;
        }
        double small = Error(1, 1), large = Error(12, 1), turned = Error(12, 5);
        Assert.That(large, Is.LessThan(0.8 * small));
        Assert.That(turned, Is.LessThan(large));
        Assert.That(bench.Logits(), Is.EqualTo(plain), "the base is as it was");
    }

    [Test]
    public void Eva_looks_at_learned_tokens_unless_told_otherwise()
    {
        using var bench = new Bench(Family.Llama);
        int[] ids = [.. Enumerable.Range(0, 24).Select(i => 3 + i * 17 % 90)],
            late = [.. ids.Select((id, i) => i < 12 ? Example.Masked : id)];
        float[] Start(int[] labels, bool masks, params int[] tail)
        {
            var data = new Collator(0).Collate([new Example(ids, labels), new Example([.. ids[..12], .. tail], [.. late[..12], .. tail])]);
            LoraCalibration.Attach(bench.Model,
                Config(Family.Llama, LoraInit.Eva) with { Calibration = new Calibration { UseLabelMask = masks } }, [data]);
            float[] start = [.. bench.Model.Parameters.Where(p => p.Name.Contains("lora_A", StringComparison.Ordinal))
                .SelectMany(p => p.Parameter.Value.ToArray<float>())];
            bench.Model.Unload();
            return start;
        }

        float[] all = Start(ids, masks: false), some = Start(late, masks: true);
        Assert.That(Start(late, masks: false), Is.EqualTo(all));
        Assert.That(some, Is.Not.EqualTo(all));
        Assert.That(() => Start([.. ids.Select(_ => Example.Masked)], masks: true),
            Throws.TypeOf<BadInputException>().With.Message.Contains("that are learned, but there are 0"));
    }

    [Test]
    public void Without_data_it_is_refused()
    {
        using var bench = new Bench(Family.Llama);
        Assert.That(() => bench.Model.AddAdapter(Config(Family.Llama, LoraInit.Eva)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("AddCalibratedAdapter"));
        Assert.That(() => bench.Model.AddCalibratedAdapter(Config(Family.Llama, LoraInit.Eva), () => { }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no data came"));
        Assert.That(() => bench.Model.AddCalibratedAdapter(Config(Family.Llama, LoraInit.LoraGa), () => bench.Logits()),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no gradient came"));
        Assert.That(() => bench.Model.AddCalibratedAdapter(Config(Family.Llama, LoraInit.Pissa), () => { }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("needs no data"));
        Assert.That(bench.Model.AdapterNames, Is.Empty);
    }

    private static LoraConfig Config(Family family, LoraInit init) =>
        new()
        {
            Rank = 4, Alpha = 6, Init = init, TargetModules = family == Family.Llama ? ModuleSelector.Of("q_proj", "v_proj")
            : ModuleSelector.Of(family.Attention, family.MlpOutput)
        };
}
