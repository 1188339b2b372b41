using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Output;

public sealed class TerminalTableTests
{
    private static readonly string[][] Rows = [["layer", "bytes"], ["q_proj[0]", "12"], ["k", "3"]];

    [Test]
    public void In_a_file_or_a_pipe_a_table_is_aligned_columns() => Assert.That(Printed(screen: false, json: false).Output,
        Is.EqualTo("layer      bytes\nq_proj[0]     12\nk              3\n"));

    [Test]
    public void On_a_screen_a_table_has_lines()
    {
        string table = Printed(screen: true, json: false).Output;

        Assert.That(table, Does.StartWith("╭").And.Contain("│ layer     │ bytes │").And.Contain("│ q_proj[0] │    12 │"));
        Assert.That(table, Does.Not.Contain("\u001b"), "no colours were asked for");
    }

    [Test]
    public void With_json_it_goes_to_standard_error()
    {
        var (output, error) = Printed(screen: true, json: true);

        Assert.That(output, Is.Empty);
        Assert.That(error, Does.StartWith("layer "));
    }

    private static (string Output, string Error) Printed(bool screen, bool json)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        new Terminal(output, error) { OutputIsScreen = screen, Json = json }.Table(Rows, hasHeader: true, 1);
        return (output.ToString(), error.ToString());
    }
}
