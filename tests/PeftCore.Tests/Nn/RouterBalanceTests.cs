using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Prompts;
using PeftCore.Tensors;
using PeftCore.Tests.Models;

namespace PeftCore.Tests.Nn;

/// <summary>The load-balancing loss of mixtures of experts.</summary>
public sealed class RouterBalanceTests
{
    private const int Tokens = 6, Inputs = 5, Experts = 4, PerToken = 2;

    // The last token is padding.
    private static readonly float[] Shares = [0.2f, 0.2f, 0.2f, 0.2f, 0.2f, 0];

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

    [Test]
    public void The_loss_and_its_gradient_are_those_of_transformers_function()
    {
        var router = NewRouter();
        Tensor[] inputs = [Random(1), Random(2)]; // of two blocks
        router.OwnParameter("weight")!.RequiresGrad = true;
        float loss;
        using (var tape = new Tape())
        {
            var balanced = Loss(router, inputs);
            loss = balanced.Item();
            tape.Backward(balanced);
        }
        float[] weight = router.OwnParameter("weight")!.Value.ToFloats();
        float[] gradient = router.OwnParameter("weight")!.Gradient!.ToFloats();
        float[][] x = [.. inputs.Select(input => input.ToFloats())];
        var (expected, choices) = Naive(weight, x, null);
        Assert.That(loss, Is.EqualTo(expected).Within(1e-5));
        for (int i = 0; i < weight.Length; i++)
        {
            const double Step = 1e-4;
            double[] up = [.. weight.Select(w => (double)w)], down = [.. up];
            (up[i], down[i]) = (up[i] + Step, down[i] - Step);
            // The choice is a constant of the gradient.
            double difference = (Naive(up, x, choices).Loss - Naive(down, x, choices).Loss) / (2 * Step);
            Assert.That(gradient[i], Is.EqualTo(difference).Within(1e-5), $"weight {i}");
        }
    }

    [TestCase("mixtral")]
    [TestCase("qwen3_moe")]
    [TestCase("gpt_oss")]
    public void It_is_added_to_the_loss_of_a_language_model_if_the_configuration_says_so(string family)
    {
        var (with, without) = (Model(family, true), Model(family, false));
        var batch = NewBatch(padding: 0);
        var inputs = batch.ToInputs(with);
        float balanced = with.Loss(inputs, batch.ToTargets(with)).Item();
        float plain = without.Loss(batch.ToInputs(without), batch.ToTargets(without)).Item();
        float term;
        using (var balance = new RouterBalance(_ => inputs.TokenShares()))
        {
            with.Hidden(inputs);
            term = balance.Loss()!.Item();
        }
        Assert.That(term, Is.GreaterThanOrEqualTo(1), "experts that are all chosen alike have as many choices of a token as it makes");
        Assert.That(balanced, Is.EqualTo(plain + 0.5 * term).Within(1e-4));
        Assert.That(with.Loss(NewBatch(padding: 9).ToInputs(with), NewBatch(padding: 9).ToTargets(with)).Item(),
            Is.EqualTo(balanced).Within(1e-5), "padding has no part in it");
        with.Dispose();
        without.Dispose();
    }

    [Test]
    public void Virtual_tokens_count_as_tokens()
    {
        var model = Model("mixtral", true);
        var peft = new PeftModel(model);
        peft.AddAdapter(new PromptTuningConfig { NumVirtualTokens = 2 });
        var batch = NewBatch(padding: 0);
        Assert.That(batch.ToInputs(model).TokenShares(7).ToFloats(), Is.EqualTo([.. Enumerable.Repeat(1 / 11f, 7),
            .. Enumerable.Repeat(1 / 11f, 4), 0, 0, 0]).Within(1e-7));
        Assert.That(float.IsFinite(model.Loss(batch.ToInputs(model), batch.ToTargets(model)).Item()));
        peft.Unload();
        model.Dispose();
    }

    [Test]
    public void Gradient_checkpointing_is_refused_with_it()
    {
        var model = Model("mixtral", true);
        (model.GradientCheckpointing, var batch) = (true, NewBatch(padding: 0));
        model.SetRequiresGrad(true);
        using (var tape = new Tape())
        {
            Assert.That(() => model.Loss(batch.ToInputs(model), batch.ToTargets(model)),
                Throws.TypeOf<BadInputException>().With.Message.Contains("output_router_logits"));
        }
        model.Dispose();
    }

    private TransformerModel Model(string family, bool balanced)
    {
        var config = TinyMixtures.Config(family);
        (config["output_router_logits"], config["router_aux_loss_coef"]) = (balanced, 0.5);
        var model = TinyMixtures.Declare(config);
        ModelLoader.Initialize(model, _backend, DType.F32, seed: 5);
        return model;
    }

    private static Batch NewBatch(int padding) => new Collator(padding).Collate(
        [new Example([3, 14, 25, 5, 16], [-100, 14, 25, 5, 16]), new Example([7, 9], [-100, 9])]);

    private Tensor Loss(Router router, Tensor[] inputs)
    {
        var shares = _backend.From(Shares, [1, Tokens]);
        using var balance = new RouterBalance(_ => shares);
        foreach (var input in inputs)
        {
            router.Route(input);
        }
        return balance.Loss()!;
    }

    private Router NewRouter()
    {
        var router = new Router(Inputs, Experts, new RouterSpec(RouterKind.TopKSoftmax, PerToken));
        var weight = router.OwnParameter("weight")!.Materialize(_backend, DType.F32);
        _backend.FillNormal(weight, 0, 1, 7, 0);
        return router;
    }

    private Tensor Random(ulong stream)
    {
        var x = _backend.NewTensor([Tokens, Inputs], DType.F32);
        _backend.FillNormal(x, 0, 1, 3, stream);
        return x;
    }

    private static (double Loss, int[][] Choices) Naive(float[] weight, float[][] x, int[][]? choices) =>
        Naive([.. weight.Select(w => (double)w)], x, choices);

    /// <summary>E·Σ_e (Σ_j mean of [choice j is e])·(mean probability of e), the means over the tokens of all blocks.</summary>
    private static (double Loss, int[][] Choices) Naive(double[] weight, float[][] x, int[][]? choices)
    {
        double[] chosen = new double[Experts], probability = new double[Experts];
        int[][] found = new int[x.Length * Tokens][];
        for (int at = 0; at < found.Length; at++)
        {
            int token = at % Tokens;
            double[] logits = [.. Enumerable.Range(0, Experts).Select(e =>
                Enumerable.Range(0, Inputs).Sum(i => weight[e * Inputs + i] * x[at / Tokens][token * Inputs + i]))];
            double sum = logits.Sum(Math.Exp);
            found[at] = choices?[at] ?? [.. Enumerable.Range(0, Experts).OrderByDescending(e => logits[e]).Take(PerToken)];
            double share = Shares[token] / x.Length;
            foreach (int e in found[at])
            {
                chosen[e] += share;
            }
            for (int e = 0; e < Experts; e++)
            {
                probability[e] += share * Math.Exp(logits[e]) / sum;
            }
        }
        return (Experts * chosen.Zip(probability, (f, p) => f * p).Sum(), found);
    }
}
