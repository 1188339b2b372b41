namespace PeftCore.Tests.Docs;

/// <summary>docs/gradients.md equals the table generated from the code.</summary>
public sealed class GradientTableTests
{
    private const string Update = "PEFTCORE_UPDATE_DOCS";

    [Test]
    public void The_page_of_gradient_rules_is_what_the_ops_say_of_themselves()
    {
        string path = Path.Combine(TestFiles.Root, "docs", "gradients.md");
        string page = GradientTable.Write();
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            File.WriteAllText(path, page);
        }
        Assert.That(File.Exists(path) ? File.ReadAllText(path) : "", Is.EqualTo(page),
            $"docs/gradients.md differs from the doc comments of the ops: run this test once with {Update}=1 and commit the page");
    }
}
