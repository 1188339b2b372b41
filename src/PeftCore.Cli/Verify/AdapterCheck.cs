using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Cli.Session;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verify;

/// <summary>Checks an adapter: logits, loss, gradients, five optimizer steps, the logits after save and load and after a merge.</summary>
internal sealed class AdapterCheck(Backend backend, string directory, Expected expected, string? baseModel, Action<string>? warn = null)
{
    private readonly Tolerances _tolerances = Tolerances.Of(backend);

    private readonly List<Comparison> _results = [];
    private readonly Dictionary<string, float[]> _values = new(StringComparer.Ordinal);

    /// <summary>Seed of a change of every parameter by up to one unit in its last place; null for unchanged parameters.</summary>
    public int? Nudge { get; init; }

    /// <summary>Our values of the compared quantities, by name.</summary>
    public IReadOnlyDictionary<string, float[]> Values => _values;

    public List<Comparison> Run()
    {
        Compute();
        return Nudge is null ? new UlpSensitivity(expected, Values, Recompute).Judge(_results) : _results;
    }

    /// <summary>The values computed from parameters that differ in their last place.</summary>
    private IReadOnlyDictionary<string, float[]> Recompute(int seed)
    {
        var nudged = new AdapterCheck(backend, directory, expected, baseModel) { Nudge = seed };
        nudged.Run();
        return nudged.Values;
    }

    private void Compute()
    {
        using var scope = new TensorScope();
        string baseDirectory = FixtureInputs.BaseOf(directory, baseModel);
        var loaded = BaseLoading.Load(baseDirectory, backend, null, warn, FixtureInputs.AsReference);
        var model = new PeftModel(loaded) { GradientsLikeReference = true };
        try
        {
            var config = PromptNetworks.AreIn(expected)
                ? PromptNetworks.Load(model, directory, expected)
                : new ChangedBase(backend, directory, expected).Load(model, _results);
            NudgeParameters(model);
            if (expected.Has("in.task_ids"))
            {
                model.WithTasks(expected.Ints("in.task_ids"), () => Compare(model, config));
            }
            else
            {
                Compare(model, config);
            }
        }
        finally
        {
            model.Unload();
            model.Base.Dispose();
        }
    }

    private bool Compare(PeftModel model, PeftConfig config)
    {
        ForwardAndBackward(model);
        SavedAndLoaded(model, config);
        Train(model);
        if (HasOutputs("merged."))
        {
            model.Reload(directory);
            NudgeParameters(model);
            model.MergeAndUnload(keepTies: true);
            AddOutputs("merged.", model.Base);
        }
        return true;
    }

    private void NudgeParameters(PeftModel model)
    {
        if (Nudge is { } seed)
        {
            UlpSensitivity.Nudge(model.Parameters.Select(p => p.Parameter), seed);
        }
    }

    /// <summary>Stores our values of a quantity, for the distance between two computations of it.</summary>
    private float[] Store(string name, float[] values) => _values[name] = values;

    private void AddOutputs(string prefix, TransformerModel model)
    {
        using var scope = new TensorScope();
        foreach (var (output, value) in Tape.NoGrad(() => model.Outputs(FixtureInputs.From(model, expected))))
        {
            string name = prefix + output;
            _results.Add(new Comparison(name, expected.Error(name, Store(name, value.ToFloats())), _tolerances.Logits));
        }
    }

    private bool HasOutputs(string prefix) => expected.Names.Any(name => name.StartsWith(prefix, StringComparison.Ordinal));

    private void ForwardAndBackward(PeftModel model)
    {
        AddOutputs("", model.Base);
        using var scope = new TensorScope();
        float loss = Step(model);
        _results.Add(new Comparison("loss", expected.Error("loss", Store("loss", [loss])), _tolerances.Logits));
        var ours = model.Parameters.ToDictionary(p => "grad." + NameIn(p.Name), p => p.Parameter.Gradient);
        foreach (string name in expected.Names.Where(name => name.StartsWith("grad.", StringComparison.Ordinal)))
        {
            _results.Add(ours.Remove(name, out var gradient) && gradient is not null
                ? new Comparison(name, expected.GradientError(name, Store(name, gradient.ToFloats()), _tolerances.Floor),
                    _tolerances.Gradients)
                : Comparison.Unsupported(name, "no such gradient here"));
        }
        _results.AddRange(ours.Where(pair => pair.Value is not null)
            .Select(pair => Comparison.Unsupported(pair.Key, "trains here but not in the reference")));
        foreach (var (_, parameter) in model.Parameters)
        {
            parameter.Value.FreeGradient();
        }
    }

    /// <summary>The reference's name of a parameter. VB-LoRA's vector bank, which all layers share, is named by the layer that the
    /// reference's program declares first.</summary>
    private string NameIn(string name)
    {
        const string Bank = ".vblora_vector_bank.default";
        return name.EndsWith(Bank, StringComparison.Ordinal)
            && expected.Names.FirstOrDefault(other => other.StartsWith("grad.", StringComparison.Ordinal)
            && other.EndsWith(Bank, StringComparison.Ordinal)) is { } given ? given["grad.".Length..] : name;
    }

    private float Step(PeftModel model)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var loss = FixtureInputs.Loss(model.Base, expected);
        tape.Backward(loss);
        return loss.Item();
    }

    /// <summary>Saves the adapter, loads the saved files under another name, and compares logits and files.</summary>
    private void SavedAndLoaded(PeftModel model, PeftConfig config)
    {
        if (!HasOutputs("reloaded."))
        {
            return;
        }
        using var temporary = new TemporaryDirectory();
        string saved = temporary.FullPath;
        model.Save(saved);
        model.Load(saved, "reloaded");
        AddOutputs("reloaded.", model.Base);
        model.Delete("reloaded");
        model.SetActive(PeftModel.DefaultAdapter);
        config.Save(Path.Combine(saved, PeftConfig.FileName));
        _results.AddRange(SavedFiles.Compare(directory, saved, HasGradient));
        return;

        bool HasGradient(string module) =>
            expected.Names.Any(name => name.StartsWith($"grad.base_model.model.{module}.", StringComparison.Ordinal));
    }

    private void Train(PeftModel model)
    {
        if (!expected.Has("adamw.losses"))
        {
            return; // Fixtures of diffusion models have no training.
        }
        int steps = expected.Extent("adamw.losses", 0);
        float[] losses = ReferenceSteps.OptionsOf(directory) is { } options ? ReferenceSteps.Run(model, expected, options, steps)
            : AdamWSteps(model, steps);
        _results.Add(new Comparison("adamw.losses", expected.Error("adamw.losses", Store("adamw.losses", losses)), _tolerances.Logits));
        foreach (var (name, parameter) in model.Parameters.Select(p => (Name: NameIn(p.Name), p.Parameter))
            .Where(p => expected.Has("adamw." + p.Name) && expected.Has("grad." + p.Name)))
        {
            var (error, leftOut) = expected.TrainedError("adamw." + name, "grad." + name,
                Store("adamw." + name, parameter.Value.ToFloats()),
                _tolerances);
            string? note = leftOut == 0 ? null : $"left out {leftOut} of {parameter.Shape.Count}: gradients that are noise";
            _results.Add(new Comparison("adamw." + name, error, _tolerances.Gradients, note));
        }
    }

    /// <summary>The loss before each step.</summary>
    private float[] AdamWSteps(PeftModel model, int count)
    {
        using var optimizer = new AdamW(model.Parameters, weightDecay: ReferenceSteps.WeightDecay);
        float[] losses = new float[count];
        for (int i = 0; i < losses.Length; i++)
        {
            losses[i] = Step(model);
            optimizer.Step(ReferenceSteps.LearningRate);
            optimizer.FreeGradients();
        }
        return losses;
    }
}
