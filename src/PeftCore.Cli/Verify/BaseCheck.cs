using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>Checks a base model: logits, loss, the gradient of every parameter, greedy tokens, beam search.</summary>
internal sealed class BaseCheck(Backend backend, string directory, Expected expected, Action<string>? warn)
{
    private readonly Tolerances _tolerances = Tolerances.Of(backend);
    private const int PromptLength = 4;

    private readonly Dictionary<string, float[]> _values = new(StringComparer.Ordinal);

    /// <summary>Seed of a change of every parameter by up to one unit in its last place; null for unchanged parameters.</summary>
    public int? Nudge { get; init; }

    public List<Comparison> Run()
    {
        var results = Compute();
        return Nudge is null ? new UlpSensitivity(expected, _values, Recompute).Judge(results) : results;
    }

    /// <summary>The gradients computed from parameters that differ in their last place.</summary>
    private IReadOnlyDictionary<string, float[]> Recompute(int seed)
    {
        var nudged = new BaseCheck(backend, directory, expected, warn: null) { Nudge = seed };
        nudged.Compute();
        return nudged._values;
    }

    private List<Comparison> Compute()
    {
        using var scope = new TensorScope();
        var model = BaseLoading.Load(directory, backend, null, warn, FixtureInputs.AsReference);
        try
        {
            if (Nudge is { } seed)
            {
                UlpSensitivity.Nudge(model.NamedParameters().Select(p => p.Parameter), seed);
            }
            return Compute(model);
        }
        finally
        {
            model.Dispose();
        }
    }

    private List<Comparison> Compute(TransformerModel model)
    {
        var results = new List<Comparison>();
        foreach (var (name, value) in model.Outputs(FixtureInputs.From(model, expected)))
        {
            results.Add(new Comparison(name, expected.Error(name, value.ToFloats()), _tolerances.Logits));
        }
        if (Nudge is null)
        {
            results.AddRange(Texts(model));
        }
        model.SetRequiresGrad(true);
        using var tape = new Tape();
        var loss = FixtureInputs.Loss(model, expected);
        results.Add(new Comparison("loss", expected.Error("loss", [loss.Item()]), _tolerances.Logits));
        tape.Backward(loss);
        var gradients = model.NamedParameters().ToDictionary(p => "grad." + p.Path, p => p.Parameter.Gradient);
        foreach (string name in expected.Names.Where(name => name.StartsWith("grad.", StringComparison.Ordinal)))
        {
            results.Add(gradients.TryGetValue(name, out var gradient) && gradient is not null
                ? new Comparison(name, expected.GradientError(name, _values[name] = gradient.ToFloats(), _tolerances.Floor),
                    _tolerances.Gradients)
                : Comparison.Unsupported(name, "no such gradient here"));
        }
        return results;
    }

    private IEnumerable<Comparison> Texts(TransformerModel model)
    {
        bool isDecoder = model.Task == ModelTask.CausalLm;
        if (expected.Has("greedy"))
        {
            yield return isDecoder ? Greedy(model) : TargetCheck.Of(model, backend, directory, expected, "greedy", beams: 1);
        }
        if (expected.Has(BeamCheck.Name))
        {
            yield return isDecoder ? BeamCheck.Of(model, backend, expected, PromptLength)
                : TargetCheck.Of(model, backend, directory, expected, BeamCheck.Name, BeamCheck.Beams);
        }
    }

    /// <summary>Greedy decoding without a cache: each token is the argmax after all tokens so far.</summary>
    private Comparison Greedy(TransformerModel model)
    {
        int[] reference = expected.Ints("greedy");
        List<int> tokens = [.. reference.AsSpan(0, PromptLength)];
        while (tokens.Count < reference.Length)
        {
            using var scope = new TensorScope();
            float[] logits = model.Logits(ModelInputs.From(backend, tokens.ToArray(), batch: 1)).ToFloats();
            var last = logits.AsSpan(logits.Length - model.VocabularySize);
            tokens.Add(System.Numerics.Tensors.TensorPrimitives.IndexOfMax(last));
        }
        return Comparison.Equal("greedy", tokens.SequenceEqual(reference), $"{reference.Length - PromptLength} tokens");
    }
}
