using PeftCore.Data;

namespace PeftCore.Tests.Data;

public sealed class BlankLinesTests
{
    [TestCase("\f")]
    [TestCase("\u2003\n\u00A0\n")]
    [TestCase("\v\n\u3000")]
    public void A_file_of_white_space_of_any_kind_holds_no_rows(string text)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["a.dev"], text);

        Assert.That(() => DataFiles.ReadFile(directory["a.dev"]),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith(directory["a.dev"]));
    }
}
