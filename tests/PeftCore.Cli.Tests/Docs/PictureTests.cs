using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Cli.Output;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Cli.Tests.Docs;

/// <summary>The drawings of docs/pictures: their numbers, the lengths of bars, and what a screen reader and a dark page need.</summary>
public sealed partial class PictureTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "docs", "pictures");

    private static IEnumerable<string> Drawings() => Directory.GetFiles(Folder, "*.svg").Select(path => Path.GetFileName(path)).Order();

    [TestCaseSource(nameof(Drawings))]
    public void It_has_a_title_a_description_and_colours_for_dark_pages(string name)
    {
        var root = Read(name);
        Assert.That(Named(root, "title").Single().Value, Is.Not.Empty);
        Assert.That(Named(root, "desc").Single().Value, Is.Not.Empty);
        Assert.That(Named(root, "style").Single().Value, Does.Contain("prefers-color-scheme: dark"));
    }

    [Test]
    public void What_a_step_keeps_is_what_the_plan_says()
    {
        var root = Read("what-is-saved.svg");
        var numbers = Numbers(root).ToList();
        Assert.That(numbers, Has.Count.EqualTo(2 * (1 + 5 + 8 + 1)));
        Assert.That(numbers.Select(number => $"{number.Attributes().First(IsSubject)} {number.Value}"),
            Is.EqualTo(numbers.Select(number => $"{number.Attributes().First(IsSubject)} {Text(BytesOf(number))}")));
        foreach (string subject in (string[])["data-kind", "data-path"])
        {
            double[] scales = [.. Named(root, "rect").Where(bar => bar.Attribute(subject) is not null)
                .Select(bar => double.Parse(bar.Attribute("width")!.Value, CultureInfo.InvariantCulture) / BytesOf(bar))];
            Assert.That(scales.Where(scale => double.IsInfinity(scale)), Is.Empty);
            Assert.That(scales.Max() * (1 << 17), Is.EqualTo(scales.Min() * (1 << 17)).Within(0.1), "the bars of one kind have one scale");
        }
    }

    [Test]
    public void The_layer_is_the_query_projection_of_the_bundled_model_with_what_the_tape_saves()
    {
        using var backend = new CpuBackend();
        using var scope = new TensorScope();
        var model = new PeftModel(ModelLoader.Load(Bundled.BaseLlama, backend));
        model.AddAdapter(new LoraConfig { Rank = BundledSteps.Rank, TargetModules = ModuleSelector.Parse(@".*layers\.0\.self_attn\.q_proj") });
        var layer = (Linear)model.Base.Find("model.layers.0.self_attn.q_proj")!;
        long saved;
        using (var tape = new Tape())
        {
            layer.Forward(backend.NewTensor([BundledSteps.Rows * BundledSteps.Tokens, layer.Inputs]));
            saved = tape.SavedBytes;
        }
        long tokens = BundledSteps.Rows * BundledSteps.Tokens, input = tokens * layer.Inputs * sizeof(float),
            low = tokens * BundledSteps.Rank * sizeof(float);
        Assert.That(saved, Is.EqualTo(input + low));
        Assert.That(Numbers(Read("lora-in-a-layer.svg")).Select(number => number.Value), Is.EqualTo(new[]
        {
            $"{layer.Outputs} × {layer.Inputs} = {layer.Outputs * layer.Inputs:N0}", $"{BundledSteps.Rank} × {layer.Inputs}",
            $"{layer.Outputs} × {BundledSteps.Rank}", $"{model.TrainableCount:N0}", $"{layer.Outputs * layer.Inputs:N0}",
            $"{input:N0}", $"{low:N0}",
        }));
        model.Base.Dispose();
    }

    [Test]
    public void The_families_are_those_of_the_table_of_methods()
    {
        string table = File.ReadAllText(Path.Combine(Repository.Root, "docs", "methods.md")).Split("\n## ")[0];
        var families = FirstCell().Matches(table).Select(match => match.Groups["name"].Value)
            .Where(name => name is not ("family" or "---" or ""));
        Assert.That(Named(Read("five-families.svg"), "text").Where(text => (string?)text.Attribute("class") == "family").Select(text => text.Value),
            Is.EquivalentTo(families));
    }

    private static XElement Read(string name) => XDocument.Load(Path.Combine(Folder, name)).Root!;

    private static IEnumerable<XElement> Named(XElement root, string name) =>
        root.Descendants().Where(element => element.Name.LocalName == name);

    private static IEnumerable<XElement> Numbers(XElement root) =>
        root.Descendants().Where(element => ((string?)element.Attribute("class"))?.Split(' ').Contains("number") == true);

    private static bool IsSubject(XAttribute attribute) => attribute.Name.LocalName is "data-kind" or "data-path";

    /// <summary>The bytes of the plan that an element stands for: of a module, of a kind at the peak, all saved, or the peak.</summary>
    private static long BytesOf(XElement element)
    {
        var plan = BundledSteps.Of(element.Attribute("data-method")!.Value);
        string? path = (string?)element.Attribute("data-path"), kind = (string?)element.Attribute("data-kind");
        return path is not null ? plan.Layers.Single(layer => layer.Path == path).SavedBytes
            : kind == "peak" ? plan.PeakBytes
            : kind == "saved" ? plan.SavedBytes
            : plan.AtPeak[Enum.Parse<MemoryKind>(kind!, ignoreCase: true)];
    }

    private static string Text(long bytes) => bytes == 0 ? "0" : $"{new ByteSize(bytes)}";

    [GeneratedRegex(@"^\| (?<name>[a-z -]*?) *\|.*\|.*\|.*\|.*\|$", RegexOptions.Multiline)]
    private static partial Regex FirstCell();
}
