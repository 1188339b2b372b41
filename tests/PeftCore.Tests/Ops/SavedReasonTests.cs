using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;
using PeftCore.Tests.Docs;

namespace PeftCore.Tests.Ops;

/// <summary>The reasons that ops give for what they save.</summary>
public sealed class SavedReasonTests
{
    private static IEnumerable<string> Names => OpCatalog.Entries.Select(entry => entry.Name);

    [Test]
    public void Every_saved_tensor_names_the_equations_of_its_rule_that_read_it([ValueSource(nameof(Names))] string name)
    {
        using var backend = new CpuBackend(1);
        var sample = OpCatalog.Entries.First(entry => entry.Name == name).Sample(Size.Odd);
        for (int only = -1; only < sample.Inputs.Length; only++)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            sample.Apply([.. sample.Inputs.Select((input, i) => input.DType != DType.F32 ? backend.Zeros(input.Shape, input.DType)
                : only < 0 || only == i ? backend.From(input.Values, input.Shape).TrackGradient()
                : backend.From(input.Values, input.Shape))]);
            foreach (var node in tape.Nodes.Where(node => node.GetType().Namespace == "PeftCore.Ops"))
            {
                string rule = GradientTable.RuleText(node.GetType());
                foreach (string equation in node.SavedTensors.Select(saved => saved.Equation)
                    .Concat(node.SavedValues.Where(value => value.Source is not null).Select(value => value.Equation)))
                {
                    Assert.That(equation.Split("; "), Is.All.Matches<string>(part => part is { Length: > 0 } && rule.Contains(part)),
                        $"{node.Op}: \"{equation}\" is not in \"{rule}\"");
                }
            }
        }
    }
}
