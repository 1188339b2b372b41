using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.AdaLora;

namespace PeftCore.Tests.Peft;

public sealed class AdaLoraTests
{
    private const int Steps = 10;

    private static readonly AdaLoraConfig Config = new()
    {
        InitialRank = 6, TargetRank = 2, InitialSteps = 2, FinalSteps = 3, TotalSteps = Steps,
        TargetModules = ModuleSelector.Of("q_proj", "v_proj"),
    };

    [Test]
    public void Ranks_go_down_with_the_cube_of_the_time_left_and_the_final_budget_holds()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(Config);
        var kept = new List<int>();
        Train(bench, 0, Steps, kept);
        // Four layers: from 4·6 to 4·2, as 8 + 16·(1 − (step − 2)/5)³ between the second and the seventh step.
        Assert.That(kept, Is.EqualTo([24, 24, 16, 11, 9, 8, 8, 8, 8, 8]));
    }

    [Test]
    public void The_file_holds_the_directions_that_are_left_and_computes_the_same()
    {
        using var bench = new Bench(Family.Llama);
        using var directory = new TemporaryDirectory();
        bench.Model.AddAdapter(Config);
        Train(bench, 0, Steps, []);
        float[] trained = bench.Logits();
        bench.Model.Save(directory.FullPath);
        bench.Model.Load(directory.FullPath, "again");
        Assert.That(Fixtures.Error(bench.Logits(), trained), Is.LessThan(1e-6));
        var pattern = ((AdaLoraConfig)bench.Model.ConfigOf("again")).RankPattern!;
        foreach (var (name, parameter) in bench.Model.Parameters.Where(p => p.Name.EndsWith(".lora_E.again", StringComparison.Ordinal)))
        {
            Assert.That(parameter.Shape[0], Is.EqualTo(pattern[name["base_model.model.".Length..^".again".Length]].Count(kept => kept)),
                name);
        }
    }

    [Test]
    public void Stopped_and_gone_on_it_chooses_the_same_directions()
    {
        using var directory = new TemporaryDirectory();
        using var whole = new Bench(Family.Llama);
        whole.Model.AddAdapter(Config);
        Train(whole, 0, 5, []);
        whole.Model.SaveState(directory.FullPath);
        using var resumed = new Bench(Family.Llama);
        resumed.Model.AddAdapter(Config, seed: 9);
        resumed.Model.LoadState(directory.FullPath);
        Train(whole, 5, Steps, []);
        Train(resumed, 5, Steps, []);
        Assert.That(resumed.AdapterBytes(), Is.EqualTo(whole.AdapterBytes()));
    }

    [Test]
    public void The_regularisation_counts_once_a_step_however_many_batches_it_has()
    {
        using var bench = new Bench(Family.Llama);
        bench.Model.AddAdapter(Config with { OrthogonalWeight = 10 });
        float whole = bench.Step();
        foreach (var (_, parameter) in bench.Model.Parameters)
        {
            parameter.Value.FreeGradient();
        }
        float halves = bench.Step(parts: 2);
        Assert.That(halves, Is.EqualTo(whole / 2).Within(1e-4), "each half carries half of it");
    }

    [Test]
    public void A_schedule_without_room_is_refused()
    {
        using var bench = new Bench(Family.Llama);
        Assert.That(() => bench.Model.AddAdapter(Config with { TotalSteps = null }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("total_step"));
        Assert.That(() => bench.Model.AddAdapter(Config with { TotalSteps = 5 }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("leave none of 5 steps"));
    }

    /// <summary>Plain gradient steps, which need no optimizer state.</summary>
    private static void Train(Bench bench, int from, int to, List<int> kept)
    {
        using var optimizer = new Sgd(bench.Model.Parameters);
        for (int step = from; step < to; step++)
        {
            bench.Step();
            optimizer.Step(0.5);
            bench.Model.Steps.AfterStep(step + 1);
            optimizer.FreeGradients();
            kept.Add(bench.Model.Parameters.Where(p => p.Name.Contains("lora_E", StringComparison.Ordinal))
                .Sum(p => p.Parameter.Value.ToFloats().Count(e => e != 0)));
        }
    }
}
