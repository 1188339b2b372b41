using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Tests.Peft;

public sealed class WeightedAdapterTests
{
    private const double Density = 0.4;

    /// <summary>Adapters of unlike scale on an embedding, attention and MLP; "three" has another rank and fewer layers.</summary>
    private static Bench Make(Family family)
    {
        var bench = new Bench(family);
        var layers = ModuleSelector.Of(family.Embedding, family.Attention, family.MlpOutput);
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 8, TargetModules = layers }, "one", seed: 1);
        bench.Perturb(1);
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 3, UseRsLora = true, TargetModules = layers }, "two", seed: 2);
        bench.Perturb(2);
        bench.Model.AddAdapter(new LoraConfig { Rank = 3, Alpha = 6, TargetModules = ModuleSelector.Of(family.Attention) }, "three",
            seed: 3);
        bench.Perturb(3);
        return bench;
    }

    private static IEnumerable<TestCaseData> LinearCases =>
        from family in Family.All
        from type in new[] { CombinationType.Linear, CombinationType.Ties, CombinationType.MagnitudePrune }
        from majority in type == CombinationType.Ties ? new[] { MajoritySign.Total, MajoritySign.Frequency } : [MajoritySign.Total]
        from second in new[] { 0.5, -1.25 }
        select new TestCaseData(family, type, majority, second);

    [TestCaseSource(nameof(LinearCases))]
    public void Combinations_of_factors_follow_their_formulas(Family family, CombinationType type, MajoritySign majority, double second)
    {
        using var bench = Make(family);
        double[] weights = [0.7, second];
        bench.Model.AddWeightedAdapter(["one", "two"], weights, "sum", type, type == CombinationType.Linear ? null : Density, majority);
        Assert.That(((LoraConfig)bench.Model.ConfigOf("sum")).Rank, Is.EqualTo(4));
        foreach (var (path, sum) in Updates(bench, "sum"))
        {
            var (one, two) = (Updates(bench, "one")[path], Updates(bench, "two")[path]);
            double[] scaled = [weights[0] * one.Scale, weights[1] * two.Scale];
            double[] roots = [.. scaled.Select(w => Math.Sqrt(Math.Abs(w)))];
            double[] signed = [.. scaled.Select(w => Math.Sign(w) * Math.Sqrt(Math.Abs(w)))];
            Assert.That(sum.Scale, Is.EqualTo(1));
            Assert.That(Fixtures.Error(Single(sum.A), Single(Combine([one.A, two.A], signed))), Is.LessThan(1e-6), path);
            Assert.That(Fixtures.Error(Single(sum.B), Single(Combine([one.B, two.B], roots))), Is.LessThan(1e-6), path);
        }

        double[] Combine(double[][] tensors, double[] w) => type switch
        {
            CombinationType.Linear => CombinationReference.TaskArithmetic(tensors, w),
            CombinationType.Ties => CombinationReference.Ties(tensors, w, Density, majority == MajoritySign.Frequency),
            _ => CombinationReference.MagnitudePrune(tensors, w, Density),
        };
    }

    private static IEnumerable<TestCaseData> SvdCases =>
        from family in Family.All
        from type in new[] { CombinationType.Svd, CombinationType.TiesSvd, CombinationType.MagnitudePruneSvd }
        from rank in new int?[] { null, 2, 11 }
        select new TestCaseData(family, type, rank);

    [TestCaseSource(nameof(SvdCases))]
    public void Combinations_of_updates_are_the_best_of_their_rank(Family family, CombinationType type, int? rank)
    {
        using var bench = Make(family);
        double[] weights = [0.7, -0.5, 1.5];
        bench.Model.AddWeightedAdapter(["one", "two", "three"], weights, "sum", type, type == CombinationType.Svd ? null : Density,
            svdRank: rank);
        Assert.That(((LoraConfig)bench.Model.ConfigOf("sum")).Rank, Is.EqualTo(rank ?? 4));
        string[] names = ["one", "two", "three"];
        foreach (var (path, sum) in Updates(bench, "sum"))
        {
            var parts = names.Zip(weights).Where(pair => Updates(bench, pair.First).ContainsKey(path))
                .Select(pair => (Update: Updates(bench, pair.First)[path], Weight: pair.Second)).ToList();
            double[][] products = [.. parts.Select(part => Product(part.Update))];
            double[] scaled = [.. parts.Select(part => part.Weight * part.Update.Scale)];
            double[] whole = type switch
            {
                CombinationType.Svd => CombinationReference.TaskArithmetic(products, scaled),
                CombinationType.TiesSvd => CombinationReference.Ties(products, scaled, Density, byFrequency: false),
                _ => CombinationReference.MagnitudePrune(products, scaled, Density),
            };
            double[] best = CombinationReference.BestOfRank(whole, sum.Outputs, sum.Inputs, rank ?? 4);
            Assert.That(sum.Rank, Is.EqualTo(rank ?? 4));
            Assert.That(Fixtures.Error(Single(Product(sum)), Single(best)), Is.LessThan(1e-5), path);
        }
    }

    [TestCase("llama")]
    [TestCase("gpt2")]
    public void Cat_adds_up_exactly_and_so_do_its_ranks(string name)
    {
        using var bench = Make(Family.All.Single(family => family.Name == name));
        bench.Model.AddWeightedAdapter(["one", "three", "two"], [1, 1, 1], "sum", CombinationType.Cat);
        Assert.That(((LoraConfig)bench.Model.ConfigOf("sum")).Rank, Is.EqualTo(11));
        bench.Model.SetActive("one", "two", "three");
        float[] together = bench.Logits();
        bench.Model.SetActive("sum");
        Assert.That(Fixtures.Error(bench.Logits(), together), Is.LessThan(1e-5));
        bench.Model.AddWeightedAdapter(["sum", "two"], [1, -1], "without two", CombinationType.Cat);
        bench.Model.SetActive("one", "three");
        float[] rest = bench.Logits();
        bench.Model.SetActive("without two");
        Assert.That(Fixtures.Error(bench.Logits(), rest), Is.LessThan(1e-5));
    }

    [TestCase(CombinationType.DareLinear)]
    [TestCase(CombinationType.DareTies)]
    public void Dare_drops_at_random_and_scales_up_what_is_left(CombinationType type)
    {
        using var bench = Make(Family.Gpt2);
        double[] weights = [2, 1];
        bench.Model.AddWeightedAdapter(["one", "one"], weights, "sum", type, Density, seed: 9);
        int kept = 0, all = 0;
        foreach (var (path, sum) in Updates(bench, "sum"))
        {
            var one = Updates(bench, "one")[path];
            for (int i = 0; i < sum.B.Length; i++)
            {
                // Each of the two copies is there, scaled up, or not.
                double unit = one.B[i] / Density * Math.Sqrt(one.Scale);
                double mean = type == CombinationType.DareTies ? (Math.Sqrt(2) + 1) / 2 : Math.Sqrt(2) + 1;
                double[] possible = [0, unit, Math.Sqrt(2) * unit, mean * unit];
                Assert.That(possible.Min(value => Math.Abs(value - sum.B[i])), Is.LessThan(1e-6 + 1e-5 * Math.Abs(unit)));
                kept += sum.B[i] != 0 ? 1 : 0;
                all++;
            }
        }
        Assert.That((double)kept / all, Is.EqualTo(1 - (1 - Density) * (1 - Density)).Within(0.05));
    }

    [TestCase(CombinationType.DareLinearSvd)]
    [TestCase(CombinationType.DareTiesSvd)]
    public void Dare_on_updates_keeps_everything_at_full_density_and_repeats_itself_by_its_seed(CombinationType type)
    {
        using var bench = Make(Family.Llama);
        bench.Model.AddWeightedAdapter(["one", "two"], [1, 1], "whole", type, density: 1, svdRank: 8);
        bench.Model.AddWeightedAdapter(["one", "two"], [1, 1], "a", type, Density, seed: 4);
        bench.Model.AddWeightedAdapter(["one", "two"], [1, 1], "b", type, Density, seed: 4);
        bench.Model.AddWeightedAdapter(["one", "two"], [1, 1], "c", type, Density, seed: 5);
        foreach (var (path, whole) in Updates(bench, "whole"))
        {
            double[][] products = [Product(Updates(bench, "one")[path]), Product(Updates(bench, "two")[path])];
            double[] scales = [Updates(bench, "one")[path].Scale, Updates(bench, "two")[path].Scale];
            double[] sum = type == CombinationType.DareLinearSvd
                ? CombinationReference.TaskArithmetic(products, scales)
                : CombinationReference.DisjointMerge(products, scales, byFrequency: false);
            Assert.That(Fixtures.Error(Single(Product(whole)),
                Single(CombinationReference.BestOfRank(sum, whole.Outputs, whole.Inputs, 8))), Is.LessThan(1e-5));
            Assert.That(Updates(bench, "a")[path].A, Is.EqualTo(Updates(bench, "b")[path].A));
            Assert.That(Updates(bench, "a")[path].A, Is.Not.EqualTo(Updates(bench, "c")[path].A));
        }
    }

    [Test]
    public void One_adapter_with_a_weight_is_that_adapter_times_the_weight([Values] CombinationType type)
    {
        using var bench = Make(Family.Llama);
        bench.Model.AddWeightedAdapter(["two"], [-0.5], "sum", type);
        foreach (var (path, sum) in Updates(bench, "sum"))
        {
            var two = Updates(bench, "two")[path];
            Assert.That(Fixtures.Error(Single(Product(sum)), Single([.. Product(two).Select(x => -0.5 * two.Scale * x)])),
                Is.LessThan(1e-5));
        }
    }

    [Test]
    public void A_combination_is_a_lora_like_any_other()
    {
        using var bench = Make(Family.Gpt2);
        using var directory = new TemporaryDirectory();
        long before = bench.Backend.Memory.CurrentBytes;
        bench.Model.AddWeightedAdapter(["one", "three"], [1, 1], "sum", svdRank: 7);
        Assert.That(bench.Model.ActiveAdapters, Is.EqualTo(new[] { "three" }));
        Assert.That(((LoraConfig)bench.Model.ConfigOf("sum")).TargetModules!.Names, Is.EqualTo(new[] { "wte", "c_attn", "mlp.c_proj" }));
        bench.Model.SetActive("one", "three");
        float[] together = bench.Logits();
        bench.Model.SetActive("sum");
        Assert.That(bench.Model.Parameters.Select(p => p.Parameter.RequiresGrad), Is.All.False);
        Assert.That(Fixtures.Error(bench.Logits(), together), Is.LessThan(1e-5), "rank 7 holds ranks 4 and 3");
        bench.Model.Save(directory.FullPath, "sum");
        bench.Model.Delete("sum");
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(before));
        bench.Model.Load(directory["sum"]);
        Assert.That(Fixtures.Error(bench.Logits(), together), Is.LessThan(1e-5));
    }

    [Test]
    public void Biases_of_b_and_directions_taken_from_the_base_add_up_too()
    {
        using var bench = new Bench(Family.Gpt2);
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, LoraBias = true, LayersToTransform = [0] }, "bias");
        bench.Perturb(1);
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, Init = LoraInit.Pissa }, "pissa");
        bench.Perturb(2);
        bench.Model.SetActive("bias", "pissa");
        float[] together = bench.Logits();
        foreach (var type in new[] { CombinationType.Cat, CombinationType.Svd })
        {
            bench.Model.AddWeightedAdapter(["bias", "pissa"], [1, 1], type.ToString(), type, svdRank: 12);
            bench.Model.SetActive(type.ToString());
            Assert.That(Fixtures.Error(bench.Logits(), together), Is.LessThan(1e-5), type.ToString());
        }
    }

    [Test]
    public void Adapters_on_different_layers_give_one_on_all_of_them()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(new LoraConfig { Rank = 2, LayersToTransform = [0], TargetModules = ModuleSelector.Of("q_proj") }, "lower");
        bench.Perturb(1);
        bench.Model.AddAdapter(new LoraConfig { Rank = 2, TargetModules = ModuleSelector.Matching(".*1.*v_proj") }, "upper");
        bench.Perturb(2);
        bench.Model.AddWeightedAdapter(["lower", "upper"], [1, 1], "sum", CombinationType.Linear);
        Assert.That(((LoraConfig)bench.Model.ConfigOf("sum")).TargetModules!.Names,
            Is.EqualTo(new[] { "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj" }));
        bench.Model.SetActive("lower", "upper");
        float[] together = bench.Logits();
        bench.Model.SetActive("sum");
        Assert.That(Fixtures.Error(bench.Logits(), together), Is.LessThan(1e-5));
    }

    [Test]
    public void What_cannot_be_combined_is_refused_with_the_reason()
    {
        using var bench = Make(Family.Gpt2);
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, UseDora = true }, "dora");
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, Bias = BiasMode.All }, "bias");
        bench.Model.AddAdapter(new LoraConfig { Rank = 4, TrainableTokens = new Dictionary<string, IReadOnlyList<int>> { ["wte"] = [1] } },
            "tokens");
        long before = bench.Backend.Memory.CurrentBytes;
        Refused("have ranks 4 and 3", ["one", "three"], [1, 1], CombinationType.Linear);
        Refused("each adapter needs one finite weight", ["one", "two"], [1], CombinationType.Cat);
        Refused("each adapter needs one finite weight", [], [], CombinationType.Cat);
        Refused("each adapter needs one finite weight", ["one"], [double.NaN], CombinationType.Cat);
        Refused("needs a density", ["one", "two"], [1, 1], CombinationType.Ties);
        Refused("needs a density", ["one", "two"], [1, 1], CombinationType.DareLinear, density: 0);
        Refused("must be at least 1", ["one", "two"], [1, 1], CombinationType.Svd, svdRank: 0);
        Refused("there is no adapter \"four\"", ["one", "four"], [1, 1], CombinationType.Svd);
        Refused("is a DoRA", ["one", "dora"], [1, 1], CombinationType.Svd);
        Refused("replaces parameters of the base", ["one", "bias"], [1, 1], CombinationType.Svd);
        Refused("trains tokens", ["one", "tokens"], [1, 1], CombinationType.Svd);
        Assert.That(() => bench.Model.AddWeightedAdapter(["one", "two"], [1, 1], "one"),
            Throws.TypeOf<BadInputException>().With.Message.Contains("one of this name already"));
        Assert.That(() => CombinationTypes.Parse("sdv"), Throws.TypeOf<BadInputException>().With.Message.Contains("svd, linear"));
        Assert.That(CombinationTypes.Parse("dare_ties_svd"), Is.EqualTo(CombinationType.DareTiesSvd));
        Assert.That(bench.Backend.Memory.CurrentBytes, Is.EqualTo(before));

        void Refused(string reason, string[] names, double[] weights, CombinationType type, double? density = null, int? svdRank = null) =>
            Assert.That(() => bench.Model.AddWeightedAdapter(names, weights, "sum", type, density, svdRank: svdRank),
                Throws.TypeOf<BadInputException>().With.Message.Contains(reason));
    }

    private static Dictionary<string, LowRankFactors> Updates(Bench bench, string name) =>
        bench.Model.Get(name).Layers.ToDictionary(layer => layer.Path, layer => LowRankFactors.Of(layer.Layer));

    private static double[] Product(LowRankFactors update) =>
        CombinationReference.Product(update.B, update.A, update.Outputs, update.Rank, update.Inputs);

    private static float[] Single(double[] values) => Array.ConvertAll(values, x => (float)x);
}
