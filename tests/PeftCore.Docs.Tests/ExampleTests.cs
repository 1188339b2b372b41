using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace PeftCore.Docs.Tests;

/// <summary>The &lt;example&gt; of every doc comment compiles as a program without access to internals, and runs.</summary>
[NonParallelizable]
public sealed partial class ExampleTests
{
    private static readonly string[] Libraries = ["PeftCore", "PeftCore.Tokenizers", "PeftCore.Ilgpu"];

    /// <summary>The types that people start from: those of the README, of the samples and of the guides to extending the library.</summary>
    private static readonly string[] FirstTypes =
    [
        "AdamW", "AdapterStep", "AutogradFunction", "ContinuousBatcher", "CpuBackend", "DataFiles", "DataLoader", "DataRow", "Evaluation",
        "ExampleEncoder", "GenerationOptions", "Generator", "IlgpuDevices", "Linear", "LinearAdapterConfig", "LoraConfig", "MemoryLedger",
        "MemoryPlan", "MetaBackend", "ModelInputs", "ModelLoader", "ModelWriter", "Module", "ModuleSelector", "Parameter", "PeftConfig",
        "PeftModel", "QuantizationOptions", "SavedAdapter", "Tape", "Tensor", "TensorScope", "Tokenizer", "Trainer", "TrainerOptions",
        "WeightSelection",
    ];

    private static readonly string[] Usings =
    [
        "PeftCore.Autograd", "PeftCore.Backends", "PeftCore.Data", "PeftCore.Ilgpu", "PeftCore.Models", "PeftCore.Models.Generation",
            "PeftCore.Nn",
        "PeftCore.Ops", "PeftCore.Optim", "PeftCore.Peft", "PeftCore.Peft.Lora", "PeftCore.Peft.Sparse", "PeftCore.Tensors",
        "PeftCore.Tokenizers", "PeftCore.Training",
    ];

    private static readonly string Demo = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo");

    /// <summary>The member and the code of each example, from the documentation files beside the assemblies.</summary>
    private static IEnumerable<(string Member, string Code)> Examples =>
        from library in Libraries
        from member in XDocument.Load(Path.Combine(AppContext.BaseDirectory, library + ".xml")).Descendants("member")
        where member.Attribute("name")!.Value.StartsWith("T:", StringComparison.Ordinal)
        from code in member.Elements("example").Elements("code")
        select (member.Attribute("name")!.Value, code.Value);

    private static IEnumerable<TestCaseData> Cases => Examples.Select(example => new TestCaseData(example.Member, example.Code)
    {
        TestName = $"The example of {example.Member[2..]} compiles and runs",
    });

    [TestCaseSource(nameof(Cases))]
    public void It_compiles_and_runs(string member, string code)
    {
        using var output = new TemporaryDirectory();
        string given = "string modelDirectory = args[0], dataFile = args[1], outputDirectory = args[2];\n";
        var program = SourceProgram.Compile("example_" + member[2..], Usings, ("example.cs", given + code));

        var (exitCode, printed) = program.Run(Path.Combine(Demo, "base-llama"), Path.Combine(Demo, "data", "train.jsonl"), output.FullPath);

        Assert.That(exitCode, Is.Zero);
        foreach (Match comment in Printed().Matches(code))
        {
            Assert.That(printed, Does.Contain(comment.Groups[1].Value + "\n"), "a comment behind Console.WriteLine says what it prints");
        }
    }

    [Test]
    public void Each_type_that_people_start_from_has_one()
    {
        var shown = Examples.Select(example => example.Member[(example.Member.LastIndexOf('.') + 1)..]).ToHashSet();

        Assert.That(FirstTypes, Has.Length.AtLeast(30));
        Assert.That(FirstTypes.Where(type => !shown.Contains(type)), Is.Empty);
    }

    [GeneratedRegex(@"Console\.WriteLine\(.*\); // (.*?) *$", RegexOptions.Multiline)]
    private static partial Regex Printed();
}
