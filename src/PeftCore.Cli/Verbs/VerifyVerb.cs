using System.CommandLine;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Verify;
using PeftCore.Tensors;

namespace PeftCore.Cli.Verbs;

/// <summary>Recomputes the reference implementation's numbers and prints the error of each. Errors that single precision explains count
/// as undetermined, apart from failures.</summary>
internal sealed class VerifyVerb : Verb
{
    private readonly Argument<string[]> _directories =
        new("DIR") { Description = "directories with expected.safetensors or cases.json below them", Arity = ArgumentArity.ZeroOrMore };

    private readonly Option<string?> _receipt = new("--receipt")
    {
        Description = "adapter to train again by its adapter_receipt.json and compare to the bit",
        HelpName = "DIR",
    };

    private readonly Option<string?> _model =
        new("--model") { Description = "base model of the adapters [default: the one each adapter names]", HelpName = "DIR" };

    private readonly Option<string> _dtype = new Option<string>("--dtype")
    {
        Description =
        "in what to compute; bf16 is held to 2 % of the largest value [default: f32]", DefaultValueFactory = _ => "f32"
    }
        .AcceptOnlyFromAmong("f32", "bf16");

    public VerifyVerb() : base("verify", "Recompute reference numbers and compare.")
    {
        Add(_directories);
        Add(_model);
        Add(_dtype);
        Add(_receipt);
    }

    public override VerbResult Run(Invocation call)
    {
        if (call.Value(_receipt) is { } adapter)
        {
            return OfReceipt(adapter, call);
        }
        if (call.Value(_directories).Length == 0)
        {
            throw new BadInputException("expected directories with reference numbers, or --receipt DIR.");
        }
        var dtype = call.Value(_dtype) == "bf16" ? DType.BF16 : DType.F32;
        call.Note(SettingRules.DtypeOn(call.Device, dtype));
        using var backend = Devices.Open(call.Device, compute: dtype);
        var verifier = new FixtureVerifier(backend, call.Value(_model), call.Terminal.Warn);
        int passed = 0, failed = 0, undetermined = 0;
        var failures = new List<string>();
        foreach (string directory in call.Value(_directories).SelectMany(FixtureVerifier.Find))
        {
            call.Stop.ThrowIfCancellationRequested();
            foreach (var quantity in verifier.Verify(directory))
            {
                call.Say(quantity.ToString());
                passed += quantity.Passed ? 1 : 0;
                undetermined += quantity.Undetermined ? 1 : 0;
                if (quantity.Failed)
                {
                    failed++;
                    failures.Add(quantity.Name);
                }
            }
        }
        call.Say($"{passed} passed, {failed} failed" + (undetermined == 0 ? "" : $", {undetermined} undetermined"));
        var report = new JsonReport().Add("passed", passed).Add("failed", failed).Add("undetermined", undetermined)
            .Add("failures", failures);
        return failed == 0 ? VerbResult.Done(report) : VerbResult.Failed(report);
    }

    private VerbResult OfReceipt(string directory, Invocation call)
    {
        if (call.Value(_directories).Length > 0 || call.IsGiven(_model) || call.IsGiven(_dtype))
        {
            throw new BadInputException("--receipt takes the model, the type and all settings from the receipt; give it alone.");
        }
        var differences = ReceiptCheck.Run(directory, call);
        call.Say(differences.Count == 0 ? $"the adapter of {directory} is what its receipt says, to the bit"
            : $"training again gave other bytes: {string.Join(", ", differences)}");
        var report = new JsonReport().Add("equal", differences.Count == 0).Add("differences", differences);
        return differences.Count == 0 ? VerbResult.Done(report) : VerbResult.Failed(report);
    }
}
